"""Items of a Pod follow from what was asked, else from the number of items and the parallelism."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.api.spec import Execution, InvalidSpec
from imagejob_operator.api.status import MAX_SHARDS
from imagejob_operator.decision.shards import DEFAULT_ITEMS_PER_POD, items_per_pod
from imagejob_operator.documents.source_list import MAX_LISTED


@pytest.mark.parametrize(
    ("items", "execution", "wanted"),
    [
        pytest.param(1000, {"items_per_pod": 7}, 7, id="as-asked"),
        pytest.param(3, {}, 1, id="fewer-than-pods"),
        pytest.param(8, {}, 2, id="shared-evenly"),
        pytest.param(9, {}, 3, id="rounded-up"),
        pytest.param(90, {"parallelism": 1}, 90, id="one-pod"),
        pytest.param(400, {}, 100, id="just-the-cap"),
        pytest.param(401, {}, 100, id="above-the-cap"),
        pytest.param(100_000, {}, 100, id="the-most-items"),
        pytest.param(0, {}, 1, id="nothing-to-make"),
    ],
)
def test_items_of_a_pod(items: int, execution: dict[str, int], wanted: int) -> None:
    assert items_per_pod(Execution(**execution), items) == wanted


def test_too_many_pods_are_refused_with_the_number_that_fits() -> None:
    with pytest.raises(InvalidSpec, match=r"itemsPerPod: 1 with 1001 items .* set it to 2"):
        items_per_pod(Execution(items_per_pod=1), 1001)


@given(st.integers(1, MAX_LISTED), st.integers(1, 100))
def test_it_is_always_within_its_bounds(items: int, parallelism: int) -> None:
    found = items_per_pod(Execution(parallelism=parallelism), items)
    assert 1 <= found <= min(items, DEFAULT_ITEMS_PER_POD)
    assert math.ceil(items / found) <= MAX_SHARDS
