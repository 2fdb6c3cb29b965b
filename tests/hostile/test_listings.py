"""A tenant's bucket has any number of objects below the staging: listings of it do not fill the memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

from fakes.build import PREFIX, UID, job, later, status
from fakes.clock import ManualClock
from fakes.memory_owners import FOLDER, GarbageCounts, MemoryOwners
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.garbage import Mode
from imagejob_operator.decision.operation import Stage
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.naming.prefixes import job_staging_prefix, own_staging_prefix, staging_prefix
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import StoredObject

MiB = 1024 * 1024
MANY = 60_000
ROOT = own_staging_prefix(FOLDER)


def uid(number: int) -> str:
    return f"{number:08x}-1111-2222-3333-444455556666"


class Flooded(MemoryStore):
    """A store with far more objects in the staging than a run has."""

    def __init__(self) -> None:
        super().__init__(ManualClock())
        self.listed = 0

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        if prefix == ROOT:
            yield f"{ROOT}shop/"
        elif prefix == f"{ROOT}shop/":
            for number in range(MANY):
                yield f"{prefix}{uid(number)}/"
        elif prefix != f"{ROOT}shop/":
            for number in range(MANY):
                yield f"{prefix}{number:09d}/"

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        if prefix.endswith("/in/"):
            for number in range(MANY):
                self.listed += 1
                yield StoredObject(f"{prefix}{number:06d}", 1, "etag")


class FloodedJob(MemoryStore):
    """The staging of one job has any number of runs."""

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        if prefix == ROOT:
            yield f"{ROOT}shop/"
        elif prefix == f"{ROOT}shop/":
            yield job_staging_prefix(FOLDER, "shop", UID)

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        for number in range(100_000, 100_000 + MANY):
            key = f"{staging_prefix(FOLDER, 'shop', UID, number, 1)}in/0"
            yield StoredObject(key, 1, "etag", later(0) - timedelta(days=9))


async def swept(store: MemoryStore) -> tuple[int, float]:
    """The number of folders of jobs that a sweep saw, and the most memory that it needed, in MiB."""
    collector = GarbageCollector(store, MemoryOwners(), GarbageCounts(), GarbagePolicy(FOLDER, Mode.REPORT))
    tracemalloc.start()
    left = await collector.sweep()
    most = tracemalloc.get_traced_memory()[1] / MiB
    tracemalloc.stop()
    assert left is not None
    return left.jobs, most


async def test_a_sweep_holds_a_page_of_folders() -> None:
    jobs, most = await swept(Flooded())
    assert jobs == MANY
    assert most < 8


async def test_a_sweep_examines_only_so_many_runs_of_a_job() -> None:
    jobs, most = await swept(FloodedJob())
    assert jobs == 1
    assert most < 4


async def test_copies_of_an_earlier_try_are_not_listed_beyond_what_is_staged() -> None:
    """Somebody else wrote as many objects beside them."""
    store = Flooded()
    for key in ("uploads/a.jpg", "uploads/b.png"):
        store.set(f"shop/{key}", key.encode())
    await stage(
        store, downloader(), CountingTelemetry(), FreshRuns(), job(status(Phase.STAGING)), Stage(PREFIX)
    )
    assert store.listed <= 3
