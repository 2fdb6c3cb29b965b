"""Items of a Pod follow from what was asked, else from counts, sizes and speed, within all bounds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.core.sizing import DEFAULT_SPEED, ITEM_COST, items_per_pod, work_of
from imagejob_operator.core.spec import MAX_SHARDS, Execution, InvalidSpec

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("items", "item_size", "execution", "speed", "wanted"),
    [
        pytest.param(1000, 1, {"items_per_pod": 7}, DEFAULT_SPEED, 7, id="as-asked"),
        pytest.param(2, 100_000, {}, DEFAULT_SPEED, 2, id="too-little-for-two-pods"),
        pytest.param(8, 4 * MIB, {}, DEFAULT_SPEED, 2, id="large-ones-for-all-pods"),
        pytest.param(1000, 4 * MIB, {}, DEFAULT_SPEED, 28, id="a-minute-of-large-ones"),
        pytest.param(10_000, 4 * MIB, {"parallelism": 1}, DEFAULT_SPEED, 28, id="one-pod-after-the-other"),
        pytest.param(1000, 4 * MIB, {}, DEFAULT_SPEED / 4, 7, id="slow-pods"),
        pytest.param(1000, 4 * MIB, {}, DEFAULT_SPEED * 4, 112, id="fast-pods"),
        pytest.param(100_000, 1000, {}, DEFAULT_SPEED, 478, id="many-small-ones"),
        pytest.param(100_000, 4 * MIB, {}, DEFAULT_SPEED, 100, id="at-most-1000-pods"),
        pytest.param(1000, 4 * MIB, {"active_deadline_seconds": 60}, DEFAULT_SPEED, 7, id="short-deadline"),
        pytest.param(100, 900 * MIB, {}, DEFAULT_SPEED, 1, id="one-is-more-than-a-minute"),
        pytest.param(100_000, 0, {}, DEFAULT_SPEED * 1000, 1000, id="at-most-1000-items"),
        pytest.param(1, 0, {}, DEFAULT_SPEED, 1, id="one-empty-item"),
        pytest.param(0, 0, {}, DEFAULT_SPEED, 1, id="nothing-to-make"),
    ],
)
def test_items_of_a_pod(
    items: int, item_size: int, execution: dict[str, int], speed: float, wanted: int
) -> None:
    assert items_per_pod(Execution(**execution), items, items * item_size, speed) == wanted


def test_too_many_pods_are_refused_with_the_number_that_fits() -> None:
    with pytest.raises(InvalidSpec, match=r"itemsPerPod: 1 with 1001 items .* set it to 2"):
        items_per_pod(Execution(items_per_pod=1), 1001)


@given(
    st.integers(1, 100_000),
    st.integers(0, 10**9),
    st.integers(1, 100),
    st.integers(1, 604_800),
    st.floats(1.0, 1e12),
)
def test_it_is_always_within_its_bounds(
    items: int, item_size: int, parallelism: int, deadline: int, speed: float
) -> None:
    execution = Execution(parallelism=parallelism, active_deadline_seconds=deadline)
    found = items_per_pod(execution, items, items * item_size, speed)
    assert 1 <= found <= min(items, 1000)
    assert math.ceil(items / found) <= MAX_SHARDS
    seconds = work_of(found, found * item_size) / speed
    few = found == 1 or found == math.ceil(items / MAX_SHARDS)
    assert few or seconds <= min(60, deadline / 4) * 1.001


def test_an_item_counts_for_more_than_its_bytes() -> None:
    assert work_of(3, 100) == 3 * ITEM_COST + 100
