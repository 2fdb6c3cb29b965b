"""What running Pods report of their progress is not trusted: it is bounded by what they were given."""

from __future__ import annotations

import pytest

from fakes.build import NOW, PREFIX, job, status
from fakes.memory_store import MemoryStore
from imagejob_contract.result import PROGRESS_BYTES, Progress, encode_progress
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.operation import Count
from imagejob_operator.operations.processing.progress import count
from imagejob_operator.ports.object_store import StoreUnavailable

OF = job(status(Phase.RUNNING, counts=(AttemptCounts(1),) * 2, items=10, per_shard=5))


async def counted(*reports: bytes | None, known: ItemCounts | None = None) -> ItemCounts:
    store = MemoryStore()
    for shard, report in enumerate(reports):
        if report is not None:
            store.set(f"{PREFIX}progress/{shard}-1", report)
    attempts = tuple((shard, 1) for shard in range(len(reports)))
    found = await count(store, OF, Count(PREFIX, attempts, known or ItemCounts(total=10), NOW))
    return found.counts


def report(succeeded: int, failed: int = 0) -> bytes:
    return encode_progress(Progress(succeeded, failed))


def test_every_report_has_one_length() -> None:
    assert {len(report(2**53, 2**53)), len(report(0))} == {PROGRESS_BYTES}


async def test_the_reports_of_all_running_pods_are_added() -> None:
    assert await counted(report(3), report(2, 1)) == ItemCounts(10, 5, 1)


async def test_they_are_added_to_what_is_known() -> None:
    assert await counted(report(3), None, known=ItemCounts(10, 5, 0, 1)) == ItemCounts(10, 8, 0, 1)


@pytest.mark.parametrize(
    ("lie", "wanted"),
    [
        (report(2**53), ItemCounts(10, 5, 0)),
        (report(2**53, 2**53), ItemCounts(10, 0, 5)),
        (report(4, 3), ItemCounts(10, 2, 3)),
        (b'{"succeeded":-1}', ItemCounts(10)),
        (b'{"succeeded":1e9}', ItemCounts(10)),
        (b'{"succeeded":9007199254740993}', ItemCounts(10)),
        (b'{"succeeded":1,"total":99}', ItemCounts(10)),
        (b"[" * PROGRESS_BYTES, ItemCounts(10)),
        (b"\xff\x00", ItemCounts(10)),
        (b"", ItemCounts(10)),
        (report(1) + b" ", ItemCounts(10)),
    ],
    ids=["more", "both", "sum", "negative", "float", "over", "unknown", "nested", "bytes", "empty", "long"],
)
async def test_a_lie_is_bounded(lie: bytes, wanted: ItemCounts) -> None:
    assert await counted(lie, None) == wanted


async def test_all_reports_together_are_not_more_than_what_is_left() -> None:
    assert await counted(report(5), report(5), known=ItemCounts(10, 6, 1)) == ItemCounts(10, 9, 1)


async def test_a_store_that_is_away_only_delays_the_progress() -> None:
    store = MemoryStore()
    store.hooks.fail(StoreUnavailable("no answer"), "get")
    found = await count(store, OF, Count(PREFIX, ((0, 1),), ItemCounts(10, 5), NOW))
    assert found.counts == ItemCounts(10, 5)
