"""What is durable of the shards, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.decision.attempt import AttemptCounts, format_attempts, parse_attempts

some_counts = st.lists(
    st.builds(AttemptCounts, st.integers(1, 3), st.integers(0, 2), st.booleans()) | st.just(AttemptCounts()),
    max_size=30,
).map(tuple)


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        ((), ""),
        ((AttemptCounts(),), ""),
        ((AttemptCounts(1),) * 7 + (AttemptCounts(2, 1),), "0-6=1,7=2+1"),
        ((AttemptCounts(1), AttemptCounts(), AttemptCounts(1)), "0=1,2=1"),
        ((AttemptCounts(0, 1),), "0=0+1"),
        ((AttemptCounts(3, 0, True), AttemptCounts(3)), "0=3x,1=3"),
        ((AttemptCounts(1, 11, True),), "0=1+11x"),
    ],
    ids=["none", "not-launched", "spans", "gap", "disrupted-only", "given-up", "disrupted-away"],
)
def test_counts_are_written_in_spans(counts: tuple[AttemptCounts, ...], text: str) -> None:
    assert format_attempts(counts) == text
    assert parse_attempts(text, len(counts)) == counts


@given(some_counts)
def test_what_was_written_is_read_back(counts: tuple[AttemptCounts, ...]) -> None:
    assert parse_attempts(format_attempts(counts), len(counts)) == counts


@given(st.integers(1, 1000), st.integers(1, 3))
def test_equal_shards_take_one_span(total: int, counted: int) -> None:
    assert len(format_attempts((AttemptCounts(counted),) * total)) <= len("0-999=3")


def test_launches_count_the_disrupted_ones() -> None:
    assert AttemptCounts(2, 3).launches == 5
