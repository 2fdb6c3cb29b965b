"""The results of a run are read in batches, and no more of them than can be held."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fakes.build import PREFIX
from imagejob_contract.result import max_result_bytes
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.documents.results import ItemOutcome
from imagejob_operator.documents.staging import manifest_key, output_prefix, result_key
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.processing import results
from imagejob_operator.operations.processing.results import all_outcomes, known_outcomes, read_staged
from unit.operations.test_publish import Run, processed


async def indexes(found: AsyncIterator[list[ItemOutcome]]) -> list[list[int]]:
    """The items of each batch."""
    return [[outcome.result.index for outcome in batch] async for batch in found]


async def known(run: Run) -> list[list[int]]:
    manifest, _ = await read_staged(run.store, PREFIX, FreshRuns())
    return await indexes(known_outcomes(run.store, run.job, manifest, PREFIX))


async def every(run: Run, lost: int = 0) -> list[list[int]]:
    manifest, _ = await read_staged(run.store, PREFIX, FreshRuns())
    return await indexes(all_outcomes(run.store, run.job, manifest, PREFIX, lost))


def size(run: Run, shard: int) -> int:
    return len(run.store.objects[result_key(PREFIX, shard)].data)


LARGEST = max_result_bytes(1, 1)
"""Of one item with one rendition."""


@pytest.mark.parametrize(
    ("held", "batches"),
    [
        (LARGEST - 1, [[0], [1]]),
        (2 * LARGEST - 1, [[0], [1]]),
        (2 * LARGEST, [[0, 1]]),
        (100 * LARGEST, [[0, 1]]),
    ],
)
async def test_a_batch_has_as_many_results_as_can_be_held(
    held: int, batches: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await processed()
    monkeypatch.setattr(results, "MAX_HELD_BYTES", held)
    assert await every(run) == batches
    assert await known(run) == batches


async def test_a_batch_has_no_more_than_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = await processed()
    monkeypatch.setattr(results, "AT_ONCE", 1)
    assert await every(run) == [[0], [1]]


@pytest.mark.parametrize("at_once", [1, 16])
async def test_the_results_of_all_shards_are_limited_together(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await processed()
    both = size(run, 0) + size(run, 1)
    monkeypatch.setattr(results, "AT_ONCE", at_once)
    monkeypatch.setattr(results, "MAX_RUN_BYTES", both)
    assert [*itertools.chain(*await every(run))] == [0, 1]
    assert [*itertools.chain(*await known(run))] == [0, 1]
    monkeypatch.setattr(results, "MAX_RUN_BYTES", both - 1)
    assert await known(run) == ([[0]] if at_once == 1 else [])
    with pytest.raises(OperationFailed) as failed:
        await every(run)
    text = (
        f"the results up to shard 1 have {both} bytes; at most {both - 1} are allowed for all shards; use "
        "fewer items or renditions"
    )
    assert failed.value.failure == Failure(Code.PROCESSING, Reason.RESULTS_INVALID, text)


async def test_what_is_known_leaves_out_shards_without_a_valid_result() -> None:
    run = await processed()
    run.store.set(result_key(PREFIX, 0), b"{")
    assert await known(run) == [[1]]
    del run.store.objects[result_key(PREFIX, 0)]
    assert await known(run) == [[1]]


async def invalid(run: Run, **more: Any) -> str:
    with pytest.raises(OperationFailed) as failed:
        await every(run, **more)
    failure = failed.value.failure
    assert (failure.code, failure.reason) == (Code.PROCESSING, Reason.RESULTS_INVALID)
    return failure.message


async def test_as_many_shards_as_are_lost_may_have_no_result() -> None:
    run = await processed()
    del run.store.objects[result_key(PREFIX, 1)]
    assert await every(run, lost=1) == [[0, 1]]
    assert await invalid(run) == "the Pod of shard 1 succeeded but left no result"


async def test_a_result_that_is_larger_than_the_largest_is_not_read() -> None:
    run = await processed()
    run.store.set(result_key(PREFIX, 0), b" " * (LARGEST + 1))
    text = f"{result_key(PREFIX, 0)} is larger than {LARGEST} bytes"
    assert await invalid(run) == f"the result of shard 0 is too large: {text}"


async def test_an_output_that_was_not_ordered_makes_a_result_invalid() -> None:
    run = await processed()
    name = "x" * 100
    run.store.set(output_prefix(PREFIX, 1, 1) + name, b"bytes")
    assert await invalid(run) == f"the Pod of shard 1 stored {name[:80]!r}, which was not ordered"


async def test_a_staging_without_a_manifest_cannot_be_read() -> None:
    run = await processed()
    del run.store.objects[manifest_key(PREFIX)]
    with pytest.raises(OperationFailed) as failed:
        await read_staged(run.store, PREFIX, FreshRuns())
    text = f"the manifest of the staged items cannot be read: NoSuchKey: {manifest_key(PREFIX)}"
    assert failed.value.failure == Failure(Code.PROCESSING, Reason.RESULTS_INVALID, text)
