"""The sweeper over the fakes: what it proves before it deletes, and what ends it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from fakes.clock import ManualClock
from fakes.hooks import Gate
from fakes.memory_owners import MemoryOwners, SweepCounts
from fakes.memory_store import MemoryStore
from imagejob_operator.core.job import Key
from imagejob_operator.core.keys import staging_prefix
from imagejob_operator.core.ownership import owner_key
from imagejob_operator.core.staging import Manifest, manifest_key
from imagejob_operator.core.sweep import Mode
from imagejob_operator.loop.sweep import Sweeper, SweepPolicy
from imagejob_operator.ports.jobs import Rejected, Unavailable
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable

UID = "0000aaaa-1111-2222-3333-444455556666"
OTHER = "0000bbbb-1111-2222-3333-444455556666"
HOUR = 3600


class Yard:
    """A bucket, the ImageJobs of a cluster, and one sweeper."""

    def __init__(
        self,
        store: MemoryStore | None = None,
        owners: MemoryOwners | None = None,
        *,
        installation: str = "default",
        instance: str = "",
        mode: Mode = Mode.DELETE,
        namespaces: tuple[str, ...] = (),
        interval: float = 900,
        clock: ManualClock | None = None,
        gate: Callable[[], bool] = lambda: True,
    ) -> None:
        self.clock = clock or ManualClock()
        self.store = store or MemoryStore(self.clock)
        self.owners = owners or MemoryOwners()
        self.counts = SweepCounts()
        self.installation = installation
        policy = SweepPolicy(installation, instance or str(uuid.uuid4()), mode, interval, namespaces)
        self.sweeper = Sweeper(self.store, self.owners, self.counts, self.clock, policy, gate)

    def neighbour(self, **differences: object) -> Yard:
        """Another operator on the same bucket."""
        return Yard(self.store, clock=self.clock, **differences)  # type: ignore[arg-type]

    def stage(self, uid: str = UID, run: str = "1-1", *, namespace: str = "shop", objects: int = 3) -> str:
        number, epoch = map(int, run.split("-"))
        prefix = staging_prefix(self.installation, namespace, uid, number, epoch)
        for index in range(objects):
            self.store.set(f"{prefix}in/{index:06d}", b"x" * 10)
        return prefix

    def left(self) -> list[str]:
        """What lies in all staging, but for the owner objects."""
        return [key for key in self.store.keys(".imagejob-staging/") if not key.endswith("/owner.json")]

    async def settle(self) -> None:
        """Have the sweeper take the owner object over; the next sweep may delete."""
        await self.sweeper.sweep()

    async def sweep(self) -> None:
        await self.sweeper.sweep()


async def settled(**how: object) -> Yard:
    yard = Yard(**how)  # type: ignore[arg-type]
    await yard.settle()
    return yard


async def test_garbage_goes_and_all_else_stays() -> None:
    yard = await settled()
    yard.owners.put(OTHER, number=2, epoch=1)
    ended = str(uuid.uuid4())
    yard.owners.put(ended, phase="Failed")
    for uid, run in ((UID, "1-1"), (OTHER, "1-1"), (ended, "1-1")):
        yard.stage(uid, run)
    live = yard.stage(OTHER, "2-1")
    yard.clock.advance(HOUR + 1)
    await yard.sweep()
    assert {key.rpartition("in/")[0] for key in yard.left()} == {live}
    assert yard.counts.swept_objects == 9
    assert yard.counts.left[-1].objects == 0
    assert yard.counts.failures == 0


async def test_not_before_it_is_older_than_an_hour_by_the_clock_of_the_store() -> None:
    yard = await settled()
    yard.stage()
    yard.clock.advance(HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.counts.left[-1].waiting == 3
    yard.clock.advance(1)
    await yard.sweep()
    assert yard.left() == []


async def test_the_operators_own_clock_counts_for_nothing() -> None:
    yard = await settled()
    yard.stage()
    yard.clock.advance(HOUR - 1)
    fast = ManualClock(yard.clock() + timedelta(days=30))
    policy = SweepPolicy("default", "fast")
    sweeper = Sweeper(yard.store, yard.owners, yard.counts, fast, policy)
    await sweeper.sweep()
    await sweeper.sweep()
    assert len(yard.left()) == 3


async def test_not_before_the_last_url_has_ended() -> None:
    yard = await settled()
    prefix = yard.stage()
    until = yard.clock() + timedelta(hours=3)
    yard.store.set(manifest_key(prefix), msgspec.json.encode(Manifest((), urls_until=until)))
    yard.clock.advance(3 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 4
    yard.clock.advance(1)
    await yard.sweep()
    assert yard.left() == []


async def test_what_nobody_of_ours_wrote_is_not_touched() -> None:
    yard = await settled()
    foreign = [
        ".imagejob-staging/default/precious.txt",
        ".imagejob-staging/default/shop/precious.txt",
        ".imagejob-staging/default/shop/precious/1-1/in/0",
        f".imagejob-staging/default/Shop/{UID}/1-1/in/0",
        f".imagejob-staging/default/shop/{UID}/precious.txt",
        f".imagejob-staging/default/shop/{UID}/1/in/0",
        f".imagejob-staging/default/shop/{UID}/01-1/in/0",
        f"shop/{UID}/1-1/in/0",
        ".imagejob/shop/a/0000aaaa/1.json",
    ]
    for key in foreign:
        yard.store.set(key, b"")
    yard.stage()
    yard.clock.advance(30 * 24 * HOUR)
    await yard.sweep()
    assert yard.store.keys() == sorted([*foreign, owner_key("default")])
    assert yard.counts.left[-1].foreign == 5


async def test_an_owner_that_appears_between_the_listings_keeps_its_staging() -> None:
    yard = await settled()
    yard.stage()
    yard.clock.advance(2 * HOUR)

    async def appear(operation: str, about: str, done: bool) -> None:
        if operation == "uids" and not done:
            yard.owners.put(UID)

    yard.owners.hooks.install(appear)
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.counts.swept_objects == 0


async def test_an_owner_that_moves_on_after_the_listing_is_judged_by_what_it_is_then() -> None:
    yard = await settled()
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
    yard = await settled()
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


async def race(make_owners: Callable[[], MemoryOwners]) -> int:
    """Create a job before every single call of a sweep; how many calls that were.

    Its objects are as old as the hills, so that nothing but the order of the listings keeps them.
    """
    for moment in range(40):
        yard = await settled(owners=make_owners())
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
    assert await race(MemoryOwners) >= 10


async def test_only_namespaces_that_it_can_see_are_judged() -> None:
    yard = await settled(namespaces=("shop",))
    yard.stage(UID, namespace="shop")
    elsewhere = yard.stage(OTHER, namespace="elsewhere")
    yard.clock.advance(2 * HOUR)
    await yard.sweep()
    assert {key.rpartition("in/")[0] for key in yard.left()} == {elsewhere}


async def test_a_uid_in_another_namespace_is_a_riddle_and_stays() -> None:
    yard = await settled()
    yard.owners.put(UID, phase="Failed", namespace="elsewhere")
    yard.stage()
    yard.clock.advance(2 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3


async def test_what_is_young_costs_no_look_at_its_owner() -> None:
    yard = await settled()
    yard.owners.put(UID)
    yard.stage()
    yard.clock.advance(HOUR)
    await yard.sweep()
    assert yard.owners.hooks.count("look") == 0
    yard.clock.advance(1)
    await yard.sweep()
    assert yard.owners.hooks.count("look") == 1


# --- what ends a sweep ---------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["stat", "get", "put_if_match", "folders", "list", "delete"])
async def test_an_error_of_the_store_ends_the_sweep_and_the_next_one_finishes_it(operation: str) -> None:
    yard = await settled()
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
    assert yard.counts.swept_objects == 60


@pytest.mark.parametrize("operation", ["cluster", "uids", "look"])
@pytest.mark.parametrize("error", [Unavailable("503"), Rejected("403"), ValueError("a fault of ours")])
async def test_half_an_answer_of_the_cluster_is_none(operation: str, error: Exception) -> None:
    yard = await settled()
    yard.owners.put(UID, phase="Failed")
    yard.stage()
    yard.clock.advance(2 * HOUR)
    yard.owners.hooks.fail(error, operation)
    await yard.sweep()
    assert yard.counts.failures == 1
    assert len(yard.left()) == 3


async def test_an_error_in_the_middle_leaves_what_was_done_done() -> None:
    yard = await settled()
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
    yard = await settled()
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


async def test_a_gate_that_closes_in_the_middle_ends_it_before_the_next_batch() -> None:
    doors = [True]
    yard = Yard(gate=lambda: doors[0])
    await yard.settle()
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
    assert len(yard.left()) == 15, "who comes back holds back once"
    await yard.sweep()
    assert yard.store.keys(prefix) == []


async def test_a_sweep_ends_when_the_next_one_begins() -> None:
    yard = await settled(interval=0.05)
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


# --- modes and strangers -------------------------------------------------------------------------------


@pytest.mark.parametrize(("mode", "listings"), [(Mode.REPORT, True), (Mode.OFF, False)])
async def test_who_does_not_delete_still_guards_the_name(mode: Mode, listings: bool) -> None:
    yard = await settled(mode=mode)
    yard.stage()
    yard.clock.advance(2 * HOUR)
    before = yard.store.objects[owner_key("default")]
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.store.objects[owner_key("default")] != before
    assert bool(yard.store.hooks.count("folders")) is listings
    if listings:
        left = yard.counts.left[-1]
        assert (left.prefixes, left.objects, left.bytes, left.oldest) == (1, 3, 30, timedelta(hours=2))


@pytest.mark.parametrize("same_cluster", [False, True], ids=["another-cluster", "a-clone-of-the-same"])
async def test_a_clone_and_its_original_only_report(same_cluster: bool) -> None:
    original = await settled()
    await original.sweep()
    clone = original.neighbour(owners=MemoryOwners("cluster-a" if same_cluster else "cluster-b"))
    original.owners.put(UID)
    clone.owners.put(OTHER)
    original.stage(UID)
    original.stage(OTHER)
    original.clock.advance(2 * HOUR)
    for _ in range(3):
        await clone.sweep()
        await original.sweep()
    assert len(original.left()) == 6
    assert original.counts.shared[-1]
    assert clone.counts.shared[-1]
    assert original.counts.left[-1].objects == 3
    assert original.counts.failures == clone.counts.failures == 0
    # An administrator gives the clone another name, and deletes the owner object.
    del original.store.objects[owner_key("default")]
    await original.settle()
    assert not original.counts.shared[-1]
    original.owners.put(OTHER)
    await original.sweep()
    assert len(original.left()) == 6


async def test_who_was_overwritten_by_another_cluster_only_reports() -> None:
    yard = await settled()
    yard.stage()
    yard.clock.advance(2 * HOUR)
    stranger = b'{"cluster": "cluster-b", "instance": "x", "renewedAt": "2026-01-01T00:00:00Z"}'
    yard.store.set(owner_key("default"), stranger)
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.counts.shared[-1]


async def test_who_is_no_more_in_charge_takes_the_one_who_is_for_no_stranger() -> None:
    doors = [True]
    before = await settled(gate=lambda: doors[0])
    after = before.neighbour()

    async def take_over(operation: str, about: str, done: bool) -> None:
        if operation == "put_if_match" and not done and doors[0]:
            doors[0] = False
            await after.sweep()

    before.store.hooks.install(take_over)
    await before.sweep()
    await after.sweep()
    assert after.counts.shared == [False, False]
    assert before.counts.failures == 0


async def test_an_owner_object_that_cannot_be_read_is_a_strangers() -> None:
    yard = await settled()
    yard.stage()
    yard.clock.advance(2 * HOUR)
    yard.store.set(owner_key("default"), b"not ours")
    await yard.sweep()
    assert len(yard.left()) == 3
    assert yard.counts.shared[-1]


async def test_a_restart_is_no_stranger_and_holds_back_once() -> None:
    before = await settled()
    before.stage()
    before.clock.advance(2 * HOUR)
    after = before.neighbour()
    await after.sweep()
    assert len(after.left()) == 3
    await after.sweep()
    assert after.left() == []
    assert after.counts.shared == [False, False]


async def test_a_stranger_that_comes_during_the_listings_is_noticed_before_anything_is_deleted() -> None:
    yard = await settled()
    yard.stage()
    yard.clock.advance(2 * HOUR)

    async def come(operation: str, about: str, done: bool) -> None:
        if operation == "uids" and done:
            yard.store.set(owner_key("default"), b"another one")

    yard.owners.hooks.install(come)
    await yard.sweep()
    assert len(yard.left()) == 3


@pytest.mark.parametrize("operation", ["put_if_absent", "put_if_match"])
async def test_a_claim_that_somebody_else_forestalled_is_made_anew(operation: str) -> None:
    yard = Yard() if operation == "put_if_absent" else await settled()
    other = b'{"cluster": "cluster-b", "instance": "x", "renewedAt": "2026-01-01T00:00:00Z"}'
    once = [True]

    async def forestall(found: str, about: str, done: bool) -> None:
        if found == operation and once and not done:
            once.clear()
            yard.store.set(owner_key("default"), other)

    yard.store.hooks.install(forestall)
    await yard.sweep()
    assert yard.counts.shared == [*([False] if operation == "put_if_match" else []), True]


async def test_two_installations_in_one_bucket_never_touch_each_other() -> None:
    first = await settled(installation="shop")
    second = first.neighbour(installation="shop-2", owners=MemoryOwners("cluster-b"))
    await second.settle()
    for yard, live, dead in ((first, UID, OTHER), (second, OTHER, UID)):
        yard.owners.put(live)
        yard.stage(live)
        yard.stage(dead)
    first.clock.advance(2 * HOUR)
    await first.sweep()
    swept = f".imagejob-staging/shop/shop/{OTHER}/"
    assert first.store.keys(swept) == []
    assert len(first.left()) == 9
    await second.sweep()
    assert first.store.keys(f".imagejob-staging/shop-2/shop/{UID}/") == []
    assert len(first.left()) == 6
    assert first.counts.shared[-1] is second.counts.shared[-1] is False


# --- planted bugs --------------------------------------------------------------------------------------


class ListsJobsFirst(MemoryOwners):
    """Has the list of jobs from before the listing of the staging."""

    async def cluster(self) -> str:
        self.seen = await super().uids(())
        return await super().cluster()

    async def uids(self, namespaces: object) -> Mapping[str, Key]:
        await super().uids(())
        return self.seen


class AnswersFromACache(MemoryOwners):
    """Answers with what it was last told, as a cache behind a stuck watch does."""

    async def uids(self, namespaces: object) -> Mapping[str, Key]:
        return {}


async def test_a_sweeper_that_lists_jobs_first_is_found() -> None:
    with pytest.raises(AssertionError, match="deleted when created before"):
        await race(ListsJobsFirst)


async def quiet_run(owners: MemoryOwners) -> None:
    """A run under way to which nobody wrote for hours, such as one that waits in a queue."""
    yard = await settled(owners=owners)
    yard.owners.put(UID)
    yard.stage()
    yard.clock.advance(5 * HOUR)
    await yard.sweep()
    assert len(yard.left()) == 3, "a live prefix was deleted"


async def test_a_run_that_is_quiet_for_hours_is_kept() -> None:
    await quiet_run(MemoryOwners())


async def test_a_sweeper_that_asks_a_cache_is_found() -> None:
    with pytest.raises(AssertionError, match="a live prefix was deleted"):
        await quiet_run(AnswersFromACache())
