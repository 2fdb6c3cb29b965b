"""Pauses double up to the longest one, and jitter keeps them within its bounds."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.backoff import Backoff

PLAIN = Backoff(timedelta(seconds=1), timedelta(seconds=10))


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (10**9, 10)]
)
def test_pauses_double_up_to_the_longest(failures: int, seconds: float) -> None:
    assert PLAIN.pause(failures) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("draw", "seconds"), [(0.0, 4.0), (0.5, 3.0), (1.0, 2.0)])
def test_jitter_shortens_a_pause(draw: float, seconds: float) -> None:
    jittered = Backoff(timedelta(seconds=1), timedelta(seconds=10), jitter=0.5)
    assert jittered.pause(3, draw) == timedelta(seconds=seconds)
    assert PLAIN.pause(3, draw) == timedelta(seconds=4), "there is none unless it is asked for"


@given(st.integers(1, 1000), st.floats(0, 1), st.floats(0, 1))
def test_no_pause_leaves_its_bounds(failures: int, jitter: float, draw: float) -> None:
    backoff = Backoff(timedelta(seconds=2), timedelta(minutes=1), jitter)
    whole = Backoff(timedelta(seconds=2), timedelta(minutes=1)).pause(failures)
    slack = timedelta(microseconds=1)
    assert whole * (1 - jitter) - slack <= backoff.pause(failures, draw) <= whole
