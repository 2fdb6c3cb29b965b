"""What is durable of the shards, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.decision.attempt import Tries, format_tries, parse_tries

some_tries = st.lists(
    st.builds(Tries, st.integers(1, 3), st.integers(0, 2), st.booleans()) | st.just(Tries()), max_size=30
).map(tuple)


@pytest.mark.parametrize(
    ("tries", "text"),
    [
        ((), ""),
        ((Tries(),), ""),
        ((Tries(1),) * 7 + (Tries(2, 1),), "0-6=1,7=2+1"),
        ((Tries(1), Tries(), Tries(1)), "0=1,2=1"),
        ((Tries(0, 1),), "0=0+1"),
        ((Tries(3, 0, True), Tries(3)), "0=3x,1=3"),
        ((Tries(1, 11, True),), "0=1+11x"),
    ],
    ids=["none", "not-launched", "spans", "gap", "disrupted-only", "given-up", "disrupted-away"],
)
def test_tries_are_written_in_spans(tries: tuple[Tries, ...], text: str) -> None:
    assert format_tries(tries) == text
    assert parse_tries(text, len(tries)) == tries


@given(some_tries)
def test_what_was_written_is_read_back(tries: tuple[Tries, ...]) -> None:
    assert parse_tries(format_tries(tries), len(tries)) == tries


@given(st.integers(1, 1000), st.integers(1, 3))
def test_equal_shards_take_one_span(total: int, counted: int) -> None:
    assert len(format_tries((Tries(counted),) * total)) <= len("0-999=3")


def test_launches_count_the_disrupted_ones() -> None:
    assert Tries(2, 3).launches == 5
