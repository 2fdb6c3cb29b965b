"""The garbage collector over the fakes: what it proves before it deletes, and what ends it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from fakes.clock import ManualClock
from fakes.hooks import Gate
from fakes.memory_owners import CLUSTER, FOLDER, OTHER_FOLDER, GarbageCounts, MemoryOwners
from fakes.memory_store import MemoryStore
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Mode, Orphans, clock_key
from imagejob_operator.documents.staging import Manifest, manifest_key
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.naming.prefixes import (
    job_staging_prefix,
    own_staging_prefix,
    staging_folder,
    staging_prefix,
)
from imagejob_operator.ports.imagejobs import Forbidden, Unavailable
from imagejob_operator.ports.object_store import CallNotSupported, StoreDenied, StoreUnavailable

UID = "0000aaaa-1111-2222-3333-444455556666"
OTHER = "0000bbbb-1111-2222-3333-444455556666"
HOUR = 3600


class Yard:
    """A bucket, the ImageJobs of a cluster, and one garbage collector."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        owners: MemoryOwners | None = None,
        *,
        folder: str = FOLDER,
        mode: Mode = Mode.DELETE,
        namespaces: tuple[str, ...] = (),
        interval: float = 900,
        clock: ManualClock | None = None,
        gate: Callable[[], bool] = lambda: True,
    ) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.owners = owners or MemoryOwners()
        self.counts = GarbageCounts()
        self.folder = folder
        policy, watched = GarbagePolicy(folder, mode, interval), WatchedNamespaces(namespaces)
        self.collector = GarbageCollector(self.store, self.owners, self.counts, policy, gate, watched)

    def neighbour(self, **differences: object) -> Yard:
        """Another operator on the same bucket."""
        return Yard(self.store, clock=self.clock, **differences)  # type: ignore[arg-type]

    def stage(self, uid: str = UID, run: str = "1-1", *, namespace: str = "shop", objects: int = 3) -> str:
        number, epoch = map(int, run.split("-"))
        prefix = staging_prefix(self.folder, namespace, uid, number, epoch)
        for index in range(objects):
            self.store.set(f"{prefix}in/{index:06d}", b"x" * 10)
        return prefix

    def left(self) -> list[str]:
        """All staged objects, except the clock object."""
        return [key for key in self.store.keys(".imagejob-staging/") if not key.endswith("/clock.txt")]

    async def sweep(self) -> None:
        left = await self.collector.sweep()
        if left:
            self.counts.left.append(left)


async def test_garbage_goes_and_all_else_stays() -> None:
    yard = Yard()
    yard.owners.put(OTHER, number=2, epoch=1)
    ended = str(uuid.uuid4())
    yard.owners.put(ended, phase="Failed")
    for uid, run in ((UID, "1-1"), (OTHER, "1-1"), (ended, "1-1")):
        yard.stage(uid, run)
    live = yard.stage(OTHER, "2-1")
    yard.clock.advance(HOUR + 1)
    await yard.sweep()
    assert {key.rpartition("in/")[0] for key in yard.left()} == {live}
    assert yard.counts.deleted_objects == 9
    assert yard.counts.left[-1].objects == 0
    assert yard.counts.failures == 0


async def test_not_before_it_is_older_than_an_hour_by_the_clock_of_the_store() -> None:
    yard = Yard()
    yard.stage()
    yard.clock.advance(HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.counts.left[-1].waiting == 3
    yard.clock.advance(1)
    await yard.sweep()
    assert yard.left() == []


async def test_not_before_the_last_url_has_ended() -> None:
    yard = Yard()
    prefix = yard.stage()
    until = yard.clock() + timedelta(hours=3)
    yard.store.set(manifest_key(prefix), msgspec.json.encode(Manifest((), urls_until=until)))
    yard.clock.advance(3 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 4
    yard.clock.advance(1)
    await yard.sweep()
    assert yard.left() == []


async def test_what_the_operator_did_not_write_is_not_touched() -> None:
    yard = Yard()
    unknown = [
        f".imagejob-staging/{FOLDER}/precious.txt",
        f".imagejob-staging/{FOLDER}/shop/precious.txt",
        f".imagejob-staging/{FOLDER}/shop/precious/1-1/in/0",
        f".imagejob-staging/{FOLDER}/Shop/{UID}/1-1/in/0",
        f".imagejob-staging/{FOLDER}/shop/{UID}/precious.txt",
        f".imagejob-staging/{FOLDER}/shop/{UID}/1/in/0",
        f".imagejob-staging/{FOLDER}/shop/{UID}/01-1/in/0",
        f"shop/{UID}/1-1/in/0",
        ".imagejob/shop/a/0000aaaa/1.json",
    ]
    for key in unknown:
        yard.store.set(key, b"")
    yard.stage()
    yard.clock.advance(30 * 24 * HOUR)
    await yard.sweep()
    assert yard.store.keys() == sorted([*unknown, clock_key(FOLDER)])
    assert yard.counts.left[-1].unknown == 5


async def test_an_owner_that_appears_between_the_listings_keeps_its_staging() -> None:
    yard = Yard()
    yard.stage()
    yard.clock.advance(2 * HOUR)

    async def appear(operation: str, about: str, done: bool) -> None:
        if operation == "uids" and not done:
            yard.owners.put(UID)

    yard.owners.hooks.install(appear)
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.counts.deleted_objects == 0


async def test_an_owner_that_moves_on_after_the_listing_is_judged_by_what_it_is_then() -> None:
    yard = Yard()
    yard.owners.put(UID, phase="Failed", number=1)
    old, new = yard.stage(run="1-1"), yard.stage(run="2-1")
    yard.clock.advance(2 * HOUR)

    async def next_run(operation: str, about: str, done: bool) -> None:
        if operation == "uids" and done:
            yard.owners.put(UID, phase="Running", number=2)

    yard.owners.hooks.install(next_run)
    await yard.sweep()
    assert [key for key in yard.left() if key.startswith(old)] == []
    assert len([key for key in yard.left() if key.startswith(new)]) == 3


@pytest.mark.parametrize("successor", [False, True])
async def test_an_owner_that_is_deleted_after_the_listing_is_gone(successor: bool) -> None:
    yard = Yard()
    key = yard.owners.put(UID)
    yard.stage()
    yard.clock.advance(2 * HOUR)

    async def vanish(operation: str, about: str, done: bool) -> None:
        if operation == "uids" and done:
            body = yard.owners.bodies.pop(key)
            if successor:
                body["metadata"]["uid"] = OTHER
                yard.owners.bodies[key] = body

    yard.owners.hooks.install(vanish)
    await yard.sweep()
    assert yard.left() == []


async def race(make: Callable[[], Yard]) -> int:
    """Create a job before every single call of a sweep; how many calls that were.

    Its objects are as old as the hills, so that nothing but the order of the listings keeps them.
    """
    for moment in range(40):
        yard = make()
        yard.stage(OTHER)
        now = yard.clock()
        yard.clock.advance(2 * HOUR)
        seen = 0

        def create(y: Yard = yard, stamp: datetime = now) -> None:
            y.owners.put(UID)
            prefix = y.stage(UID)
            for key in y.store.keys(prefix):
                y.store.objects[key] = replace(y.store.objects[key], modified_at=stamp)

        async def before_each(operation: str, about: str, done: bool, at: int = moment) -> None:
            nonlocal seen
            seen += not done
            if seen == at + 1 and not done:
                create()

        yard.store.hooks.install(before_each)
        yard.owners.hooks.install(before_each)
        await yard.sweep()
        if seen <= moment:
            return moment
        assert len([key for key in yard.left() if UID in key]) == 3, f"deleted when created before {moment}"
        assert [key for key in yard.left() if OTHER in key] == []
    raise AssertionError("a sweep of one folder does not take 40 calls")


async def test_a_job_that_is_created_while_it_sweeps_is_never_in_danger() -> None:
    assert await race(Yard) >= 10


async def test_only_namespaces_that_it_can_see_are_judged() -> None:
    yard = Yard(namespaces=("shop",))
    yard.stage(UID, namespace="shop")
    elsewhere = yard.stage(OTHER, namespace="elsewhere")
    yard.clock.advance(2 * HOUR)
    await yard.sweep()
    assert {key.rpartition("in/")[0] for key in yard.left()} == {elsewhere}


async def test_a_uid_in_another_namespace_is_a_riddle_and_stays() -> None:
    yard = Yard()
    yard.owners.put(UID, phase="Failed", namespace="elsewhere")
    yard.stage()
    yard.clock.advance(2 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3


async def test_what_is_young_costs_no_look_at_its_owner() -> None:
    yard = Yard()
    yard.owners.put(UID)
    yard.stage()
    yard.clock.advance(HOUR)
    await yard.sweep()
    assert yard.owners.hooks.count("get") == 0
    yard.clock.advance(1)
    await yard.sweep()
    assert yard.owners.hooks.count("get") == 1


# --- what ends a sweep ---------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["put", "stat", "get", "folders", "list", "delete"])
async def test_an_error_of_the_store_ends_the_sweep_and_the_next_one_finishes_it(operation: str) -> None:
    yard = Yard()
    for _ in range(20):
        yard.stage(str(uuid.uuid4()))
    yard.clock.advance(2 * HOUR)
    fault = yard.store.hooks.fail(StoreUnavailable("the store is away"), operation)
    await yard.sweep()
    assert yard.counts.failures == 1
    assert len(yard.left()) == 60
    yard.store.hooks.remove(fault)
    await yard.sweep()
    assert yard.left() == []
    assert yard.counts.deleted_objects == 60


@pytest.mark.parametrize("operation", ["uids", "get"])
@pytest.mark.parametrize("error", [Unavailable("503"), Forbidden("403"), ValueError("a fault of ours")])
async def test_half_an_answer_of_the_cluster_is_none(operation: str, error: Exception) -> None:
    yard = Yard()
    yard.owners.put(UID, phase="Failed")
    yard.stage()
    yard.clock.advance(2 * HOUR)
    yard.owners.hooks.fail(error, operation)
    await yard.sweep()
    assert yard.counts.failures == 1
    assert len(yard.left()) == 3


async def test_an_error_in_the_middle_leaves_what_was_done_done() -> None:
    yard = Yard()
    for _ in range(30):
        yard.stage(str(uuid.uuid4()))
    yard.clock.advance(2 * HOUR)
    deletes = 0

    async def fail_at_the_tenth(operation: str, about: str, done: bool) -> None:
        nonlocal deletes
        deletes += operation == "delete" and not done
        if deletes == 10:
            raise StoreUnavailable("the store is away")

    hook = yard.store.hooks.install(fail_at_the_tenth)
    await yard.sweep()
    assert yard.counts.failures == 1
    assert 0 < len(yard.left()) < 90
    yard.store.hooks.remove(hook)
    await yard.sweep()
    assert yard.left() == []


async def test_one_folder_that_cannot_be_deleted_does_not_keep_the_others() -> None:
    yard = Yard()
    locked = yard.stage(UID)
    for _ in range(20):
        yard.stage(str(uuid.uuid4()))
    yard.clock.advance(2 * HOUR)
    yard.store.hooks.fail(StoreDenied("AccessDenied"), "delete", UID)
    await yard.sweep()
    assert {key.rpartition("in/")[0] for key in yard.left()} == {locked}
    assert yard.counts.failures == 1
    left = yard.counts.left[-1]
    assert (left.prefixes, left.objects, left.bytes, left.oldest) == (1, 3, 30, timedelta(hours=2))


async def test_one_folder_that_cannot_be_listed_does_not_keep_the_others() -> None:
    yard = Yard()
    endless = yard.stage(UID)
    for _ in range(20):
        yard.stage(str(uuid.uuid4()))
    yard.clock.advance(2 * HOUR)
    yard.store.hooks.fail(CallNotSupported("more than 1000 keys"), "list", UID)
    await yard.sweep()
    assert {key.rpartition("in/")[0] for key in yard.left()} == {endless}
    assert yard.counts.failures == 1


async def test_a_gate_that_closes_in_the_middle_ends_it_before_the_next_batch() -> None:
    doors = [True]
    yard = Yard(gate=lambda: doors[0])
    prefix = yard.stage(objects=25)
    yard.store.page = 10
    yard.clock.advance(2 * HOUR)

    async def close(operation: str, about: str, done: bool) -> None:
        if operation == "delete" and done:
            doors[0] = False

    hook = yard.store.hooks.install(close)
    await yard.sweep()
    assert len(yard.left()) == 15
    assert yard.counts.failures == 0
    calls = len(yard.store.hooks.calls)
    await yard.sweep()
    assert len(yard.store.hooks.calls) == calls, "behind a closed gate nothing is asked"
    yard.store.hooks.remove(hook)
    doors[0] = True
    await yard.sweep()
    assert yard.store.keys(prefix) == []


async def test_a_sweep_ends_when_the_next_one_begins() -> None:
    yard = Yard(interval=0.05)
    yard.stage()
    yard.clock.advance(2 * HOUR)
    gate = Gate("delete")
    hook = yard.store.hooks.install(gate)
    await yard.sweep()
    assert gate.reached.is_set()
    assert yard.counts.failures == 1
    yard.store.hooks.remove(hook)
    await yard.sweep()
    assert yard.left() == []


# --- modes, other clusters and other installations -----------------------------------------------------


async def test_in_mode_report_garbage_is_counted_and_left() -> None:
    yard = Yard(mode=Mode.REPORT)
    yard.stage()
    yard.clock.advance(2 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3
    left = yard.counts.left[-1]
    assert (left.prefixes, left.objects, left.bytes, left.oldest) == (1, 3, 30, timedelta(hours=2))


async def test_in_mode_off_nothing_is_asked() -> None:
    yard = Yard(mode=Mode.OFF)
    yard.stage()
    yard.clock.advance(2 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.store.hooks.calls == []
    assert yard.owners.hooks.calls == []
    assert yard.counts.left == []


async def test_where_nothing_is_staged_nothing_is_written_and_no_job_is_listed() -> None:
    yard = Yard()
    await yard.sweep()
    assert yard.store.keys() == []
    assert yard.owners.hooks.calls == []
    assert yard.counts.left == [Orphans()]


NEIGHBOURS = {
    "another-cluster": OTHER_FOLDER,
    "another-installation": staging_folder("default-2", CLUSTER),
    "a-name-that-begins-alike": staging_folder("def", CLUSTER),
}


@pytest.mark.parametrize("folder", NEIGHBOURS.values(), ids=NEIGHBOURS.keys())
async def test_two_operators_on_one_bucket_never_touch_each_others_staging(folder: str) -> None:
    first = Yard()
    second = first.neighbour(folder=folder)
    for yard, live, dead in ((first, UID, OTHER), (second, OTHER, UID)):
        yard.owners.put(live)
        yard.stage(live)
        yard.stage(dead)
    theirs = first.store.keys(own_staging_prefix(folder))
    first.clock.advance(2 * HOUR)
    await first.sweep()
    assert first.store.keys(own_staging_prefix(folder)) == theirs
    assert {key.rpartition("1-1/")[0] for key in first.store.keys(own_staging_prefix(FOLDER))} == {
        "",  # the clock object
        job_staging_prefix(FOLDER, "shop", UID),
    }
    await second.sweep()
    assert len(first.left()) == 6
    assert first.counts.deleted_objects == second.counts.deleted_objects == 3
    assert first.counts.left[-1].foreign == second.counts.left[-1].foreign == 1


async def test_folders_of_others_are_counted_and_never_listed() -> None:
    yard = Yard()
    for number in range(5):
        yard.neighbour(folder=staging_folder("default", f"cluster-{number}")).stage()
    yard.store.set(".imagejob-staging/a-file-and-no-folder", b"")
    yard.clock.advance(30 * 24 * HOUR)
    await yard.sweep()
    assert yard.counts.left == [Orphans(foreign=5)]
    asked = [(operation, about) for operation, about in yard.store.hooks.calls]
    assert asked == [("folders", ".imagejob-staging/"), ("folders", own_staging_prefix(FOLDER))]
    assert len(yard.left()) == 16


class OneFolderForAll(Yard):
    """Stages in the folder of the installation's name alone, as every cluster does."""

    def __init__(self, *given: object, **how: object) -> None:
        super().__init__(*given, **{**how, "folder": "default"})  # type: ignore[arg-type]


async def test_a_folder_without_the_cluster_in_its_name_is_found() -> None:
    first = OneFolderForAll()
    second = OneFolderForAll(first.store, clock=first.clock)
    second.owners.put(OTHER)
    second.stage(OTHER)
    first.clock.advance(2 * HOUR)
    await first.sweep()
    assert second.left() == [], "the live staging of the other cluster was taken for garbage"


# --- planted bugs --------------------------------------------------------------------------------------


class ListsJobsFirst(Yard):
    """Has the list of jobs from before the listing of the staging."""

    async def sweep(self) -> None:
        early = await self.owners.uids(())

        async def uids(namespaces: object) -> Mapping[str, Key]:
            return early

        self.owners.uids = uids  # type: ignore[method-assign]
        await super().sweep()


class AnswersFromACache(MemoryOwners):
    """Answers with the last listing, as a cache behind a stuck watch does."""

    async def uids(self, namespaces: object) -> Mapping[str, Key]:
        return {}


async def test_a_collector_that_lists_jobs_first_is_found() -> None:
    with pytest.raises(AssertionError, match="deleted when created before"):
        await race(ListsJobsFirst)


async def quiet_run(owners: MemoryOwners) -> None:
    """An active run that has not been written to for hours, such as one that waits in a queue."""
    yard = Yard(owners=owners)
    yard.owners.put(UID)
    yard.stage()
    yard.clock.advance(5 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3, "a live prefix was deleted"


async def test_a_run_that_is_quiet_for_hours_is_kept() -> None:
    await quiet_run(MemoryOwners())


async def test_a_collector_that_asks_a_cache_is_found() -> None:
    with pytest.raises(AssertionError, match="a live prefix was deleted"):
        await quiet_run(AnswersFromACache())
