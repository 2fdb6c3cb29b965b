"""Reports of deleted ImageJobs: kept for their retention, and only what is proven to be ours is deleted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from fakes.clock import START, ManualClock
from fakes.memory_owners import FOLDER, OTHER_FOLDER, GarbageCounts, MemoryOwners
from fakes.memory_store import MemoryStore
from fakes.world import World
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Mode
from imagejob_operator.decision.report_garbage import (
    FoundReports,
    ReportFolder,
    Step,
    folder_of_report,
    next_step,
    with_object,
)
from imagejob_operator.documents.report import read_report
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.ports.imagejobs import Unavailable
from imagejob_operator.ports.object_store import StoreDenied

UID, OTHER = "0000aaaa-1111-2222-3333-444455556666", "0000bbbb-1111-2222-3333-444455556666"
DAY = 86400
MONTH = timedelta(days=30)


class Shelf:
    """A bucket with reports, the ImageJobs of a cluster, and one garbage collector."""

    def __init__(self, mode: Mode = Mode.DELETE, namespaces: tuple[str, ...] = ()) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.owners = MemoryOwners()
        self.counts = GarbageCounts()
        self.leads = True
        self.use(MONTH, mode, namespaces)

    def use(
        self, retention: timedelta | None, mode: Mode = Mode.DELETE, namespaces: tuple[str, ...] = ()
    ) -> None:
        policy = GarbagePolicy(FOLDER, mode, report_retention=retention)
        watched = WatchedNamespaces(namespaces)
        self.collector = GarbageCollector(
            self.store, self.owners, self.counts, policy, lambda: self.leads, watched
        )

    def put(self, uid: str = UID, number: int = 1, operator: str = FOLDER, namespace: str = "shop") -> str:
        key = report_key(namespace, f"job-{uid[:8]}", uid, number, "00112233aabbccdd")
        self.store.set(key, msgspec.json.encode({"uid": uid, "operator": operator, "items": []}))
        return key

    async def pass_days(self, days: float) -> None:
        """A sweep, so many days, and another sweep."""
        await self.collector.sweep()
        self.clock.advance(days * DAY)
        await self.collector.sweep()

    @property
    def reports(self) -> list[str]:
        return [key for key in self.store.keys(".imagejob/") if key.endswith(".json")]


async def test_reports_are_deleted_when_their_job_has_been_gone_for_the_retention() -> None:
    shelf = Shelf()
    shelf.put(number=1)
    shelf.put(number=2)
    await shelf.pass_days(29)
    assert len(shelf.reports) == 2
    shelf.clock.advance(DAY)
    await shelf.collector.sweep()
    assert shelf.store.keys(".imagejob/") == []
    assert shelf.counts.deleted_objects == 3


async def test_the_time_counts_from_the_end_of_the_job_and_not_of_the_run() -> None:
    shelf = Shelf()
    shelf.put()
    key = shelf.owners.put(UID, phase="Succeeded")
    await shelf.pass_days(300)
    assert len(shelf.reports) == 1
    shelf.owners.drop(key)
    await shelf.pass_days(29)
    assert len(shelf.reports) == 1
    await shelf.pass_days(1)
    assert shelf.reports == []


async def test_without_a_retention_they_stay_for_ever() -> None:
    shelf = Shelf()
    shelf.use(None)
    shelf.put()
    await shelf.pass_days(3000)
    assert len(shelf.store.keys(".imagejob/")) == 1


@pytest.mark.parametrize("mode", [Mode.REPORT, Mode.OFF])
async def test_a_collector_that_may_not_delete_writes_nothing(mode: Mode) -> None:
    shelf = Shelf(mode)
    shelf.put()
    await shelf.pass_days(300)
    assert len(shelf.store.keys(".imagejob/")) == 1


@pytest.mark.parametrize("operator", [OTHER_FOLDER, ""], ids=["another-cluster", "unknown"])
async def test_a_report_that_another_operator_wrote_is_kept(operator: str) -> None:
    shelf = Shelf()
    shelf.put(operator=operator)
    await shelf.pass_days(300)
    assert len(shelf.store.keys(".imagejob/")) == 1


async def test_a_tombstone_of_another_operator_is_not_taken() -> None:
    shelf = Shelf()
    key = shelf.put()
    folder = folder_of_report(key)
    assert folder
    shelf.store.set(folder.tombstone, b"The ImageJob was gone")
    await shelf.pass_days(300)
    assert shelf.reports == [key]


async def test_a_job_that_was_restored_has_its_reports_again() -> None:
    shelf = Shelf()
    shelf.put()
    await shelf.pass_days(20)
    key = shelf.owners.put(UID)
    await shelf.pass_days(20)
    assert [key.rpartition("/")[2] for key in shelf.store.keys(".imagejob/")] == ["1-00112233aabbccdd.json"]
    shelf.owners.drop(key)
    await shelf.pass_days(20)
    assert len(shelf.reports) == 1


async def test_a_successor_with_the_name_does_not_keep_them() -> None:
    shelf = Shelf()
    shelf.put()
    body = shelf.owners.bodies[shelf.owners.put(OTHER)]
    shelf.owners.bodies = {Key("shop", f"job-{UID[:8]}"): body}
    await shelf.pass_days(31)
    assert shelf.reports == []


async def test_a_namespace_that_is_not_watched_is_left_alone() -> None:
    shelf = Shelf(namespaces=("shop",))
    kept = shelf.put(namespace="press")
    shelf.put(namespace="shop")
    await shelf.pass_days(300)
    assert shelf.reports == [kept]


async def test_jobs_that_cannot_be_listed_are_not_gone() -> None:
    shelf = Shelf()
    shelf.put()
    shelf.owners.hooks.fail(Unavailable("away"), "uids")
    await shelf.pass_days(300)
    assert len(shelf.store.keys(".imagejob/")) == 1
    assert shelf.counts.failures == 2


async def test_a_job_that_appears_after_the_listing_keeps_its_reports() -> None:
    shelf = Shelf()
    shelf.put()
    await shelf.pass_days(20)

    async def restore(operation: str, about: str, done: bool) -> None:
        if operation == "uids" and done:
            shelf.owners.put(UID)

    shelf.owners.hooks.install(restore)
    shelf.clock.advance(20 * DAY)
    await shelf.collector.sweep()
    assert len(shelf.reports) == 1


async def test_a_report_that_cannot_be_read_does_not_block_the_others() -> None:
    shelf = Shelf()
    denied = shelf.put(OTHER)
    shelf.put(UID)
    shelf.store.hooks.fail(StoreDenied("AccessDenied"), "get", OTHER[:8])
    await shelf.pass_days(31)
    assert shelf.reports == [denied]


async def test_a_replica_that_no_longer_leads_deletes_nothing() -> None:
    shelf = Shelf()
    shelf.put()
    await shelf.pass_days(20)

    async def lose(operation: str, about: str, done: bool) -> None:
        shelf.leads = shelf.leads and not (operation == "uids" and done)

    shelf.owners.hooks.install(lose)
    shelf.clock.advance(20 * DAY)
    await shelf.collector.sweep()
    assert len(shelf.reports) == 1


@pytest.mark.parametrize(
    "key",
    [
        ".imagejob/shop/a/0000aaaa",
        ".imagejob/shop/a/0000AAAA/1.json",
        ".imagejob/shop/1.json",
        ".imagejob/Shop/a/0000aaaa/1.json",
        "shop/.imagejob/shop/a/0000aaaa/1.json",
    ],
)
def test_other_keys_are_in_no_folder(key: str) -> None:
    assert folder_of_report(key) is None


def test_the_folder_of_a_report() -> None:
    key = report_key("shop", "spring.v2", UID, 1, "00112233aabbccdd")
    assert folder_of_report(key) == ReportFolder("shop", "spring.v2", "0000aaaa")
    assert key.startswith(ReportFolder("shop", "spring.v2", "0000aaaa").prefix)


async def succeed(world: World) -> None:
    world.create()


async def fail(world: World) -> None:
    world.create(source={"keys": ["uploads/none.jpg"]})


async def validate(world: World) -> None:
    world.create(run={"id": "1", "mode": "Validate"})


@pytest.mark.parametrize("begin", [succeed, fail, validate])
async def test_every_report_names_its_operator(begin: Callable[[World], object]) -> None:
    world = World()
    await begin(world)  # type: ignore[misc]
    await world.run()
    assert read_report(world.store.objects[world.job.status.report].data).operator == FOLDER


# --- what a listing shows of a folder ----------------------------------------------------------------------

FOUND = FoundReports(ReportFolder("shop", "spring", UID[:8]))
SMALL, LARGE = (report_key("shop", "spring", UID, number, "00112233aabbccdd") for number in (1, 2))
TOMBSTONE = FOUND.folder.tombstone


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        ([(SMALL, 5)], (SMALL, 5, None)),
        ([(LARGE, 9), (SMALL, 5)], (SMALL, 5, None)),
        ([(SMALL, 5), (LARGE, 9)], (SMALL, 5, None)),
        ([(SMALL, 5), (LARGE, 5)], (SMALL, 5, None)),
        ([(SMALL, 5), (TOMBSTONE, 1)], (SMALL, 5, START)),
        ([(TOMBSTONE, 1), (SMALL, 5)], (SMALL, 5, START)),
        ([(f"{FOUND.folder.prefix}other.txt", 1)], ("", 0, None)),
    ],
)
def test_the_smallest_report_and_the_tombstone_are_remembered(
    objects: list[tuple[str, int]], found: tuple[str, int, object]
) -> None:
    known = FOUND
    for key, size in objects:
        known = with_object(known, key, size, START)
    assert (known.folder, known.smallest, known.size, known.gone_since) == (FOUND.folder, *found)


@pytest.mark.parametrize(
    ("found", "exists", "step"),
    [
        (FOUND, True, Step.KEEP),
        (FOUND, False, Step.KEEP),
        (replace(FOUND, smallest=SMALL), True, Step.KEEP),
        (replace(FOUND, smallest=SMALL), False, Step.BURY),
        (replace(FOUND, smallest=SMALL, gone_since=START), True, Step.RESTORE),
        (replace(FOUND, smallest=SMALL, gone_since=START - MONTH), False, Step.DELETE),
        (replace(FOUND, gone_since=START - MONTH), False, Step.DELETE),
        (replace(FOUND, gone_since=START - MONTH + timedelta(seconds=1)), False, Step.KEEP),
    ],
)
def test_what_is_due_for_a_folder(found: FoundReports, exists: bool, step: Step) -> None:
    assert next_step(found, exists, START, MONTH) is step
