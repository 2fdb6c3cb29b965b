"""Reconciling ImageStores, and the garbage collection of all stores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from fakes.build import SPEC
from fakes.clock import ManualClock
from fakes.memory_owners import FOLDER, MemoryOwners
from fakes.memory_store import MemoryStore
from fakes.memory_stores import ALLOWED, MemoryStores, image_store
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob, Key, parse_job
from imagejob_operator.api.imagestore import ImageStore, StoreStatus
from imagejob_operator.api.imagestore_status import (
    RECHECK_PERIOD,
    Readiness,
    StoreReason,
    next_check,
    store_status,
)
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.imagestores import ImageStoreReconciler
from imagejob_operator.controller.workqueue import Queues, WorkQueue
from imagejob_operator.decision.garbage import Orphans
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.naming.prefixes import staging_prefix
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.imagejobs import Conflict, Unavailable
from imagejob_operator.ports.object_store import StoreDenied
from imagejob_operator.ports.stores import OWN_STORE, StoreNotOpen, StoreWithStaging
from imagejob_operator.stores.connector import Connector
from imagejob_operator.stores.registry import OwnStore, StoreRegistry
from unit.controller.traces import traces

KEY = Key("shop", "media")
UID_OF_MEDIA = "uid-of-shop-media"
UID = "0000aaaa-1111-2222-3333-444455556666"


def job_in(namespace: str, name: str, phase: str) -> ImageJob:
    metadata = {"namespace": namespace, "name": name, "uid": f"{namespace}/{name}", "resourceVersion": "1"}
    return parse_job({"metadata": metadata, "spec": SPEC, "status": {"phase": phase}})


def staged_in(store: ImageStore) -> ImageJob:
    """A job with a run that has begun in a store."""
    metadata = {"namespace": "shop", "name": "spring", "uid": "u", "resourceVersion": "1"}
    where = {"name": store.key.name, "uid": store.uid, "location": "s3://shop/"}
    status = {"phase": "Staging", "run": {"id": "1", "number": 1, "epoch": 1, "store": where}}
    return parse_job({"metadata": metadata, "spec": SPEC, "status": status})


class Bench:
    """Turns over stores in memory, with the queue's wishes at hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.stores = MemoryStores(self.clock)
        self.stores.bucket("shop", "key")
        self.stores.secret_of("key")
        self.woken: list[Key] = []
        self.later: list[float] = []
        self.now: list[Key] = []
        self.is_leader = True
        self.cache = Cache()
        queues = Queues(WorkQueue(), WorkQueue(random=lambda: 0.0))
        queues.jobs.add = self.woken.append  # type: ignore[method-assign]
        queues.imagestores.add = self.now.append  # type: ignore[method-assign]
        queues.imagestores.add_after = lambda key, seconds: self.later.append(seconds)  # type: ignore[method-assign]
        own = OwnStore(self.stores.own)
        stores = self.stores
        connector = Connector(stores, stores.open, stores.exchange, ALLOWED)
        self.registry = StoreRegistry(own, connector, FOLDER, self.cache.jobs, lambda key: None)
        self.reconciles = ImageStoreReconciler(
            self.registry,
            stores,
            self.cache,
            queues,
            self.clock,
            lambda: self.is_leader,
        )

    async def see(self, store: ImageStore) -> str:
        """Observe it and reconcile; return the reason in its status."""
        self.reconciles.seen(store, gone=False)
        await self.reconciles.reconcile(store.key)
        return self.stores.statuses[store.uid].conditions[0].reason


async def test_a_finding_is_reported_and_checked_again() -> None:
    bench = Bench()
    assert await bench.see(image_store()) == "Ready"
    assert bench.later == [RECHECK_PERIOD.total_seconds()]
    condition = bench.stores.statuses["uid-of-shop-media"].conditions[0]
    assert (condition.type, condition.status, condition.observed_generation) == ("Ready", "True", 1)


async def test_one_that_is_not_ready_is_checked_sooner_with_backoff() -> None:
    bench = Bench()
    bench.stores.secrets.clear()
    for _ in range(8):
        assert await bench.see(image_store()) == "SecretNotFound"
    assert bench.later == [2, 4, 8, 16, 32, 60, 60, 60]
    bench.stores.secret_of("key")
    assert await bench.see(image_store(generation=2)) == "Ready"
    assert bench.later[-1] == RECHECK_PERIOD.total_seconds()


async def test_an_unchanged_status_is_not_written_again() -> None:
    bench = Bench()
    await bench.see(image_store())
    bench.stores.statuses.clear()
    await bench.reconciles.reconcile(KEY)
    assert bench.stores.statuses == {}


async def test_our_own_word_on_it_is_no_news() -> None:
    bench = Bench()
    bench.reconciles.seen(image_store(), gone=False)
    assert bench.now == [KEY]
    seen = image_store()
    bench.reconciles.seen(
        ImageStore(seen.key, seen.uid, "2", 1, seen.spec, StoreStatus(observed_generation=1)), gone=False
    )
    assert bench.now == [KEY]
    bench.reconciles.seen(ImageStore(seen.key, seen.uid, "3", 2, seen.spec, seen.status), gone=False)
    assert bench.now == [KEY, KEY]


async def test_jobs_that_wait_are_woken_and_no_others() -> None:
    bench = Bench()
    for namespace, name, phase in (("shop", "a", ""), ("shop", "b", "Running"), ("other", "c", "")):
        bench.cache.put_job(job_in(namespace, name, phase))
    await bench.see(image_store())
    assert bench.woken == [Key("shop", "a")]


async def test_nothing_is_done_behind_a_closed_gate() -> None:
    bench = Bench()
    bench.is_leader = False
    bench.reconciles.seen(image_store(), gone=False)
    await bench.reconciles.reconcile(KEY)
    assert bench.stores.opened == []
    assert bench.stores.statuses == {}


async def test_one_that_is_gone_is_closed_and_forgotten() -> None:
    bench = Bench()
    await bench.see(image_store())
    bench.reconciles.seen(image_store(uid="another"), gone=True)
    assert not bench.stores.opened[0].closed, "an old sight of another one of its name is no end"
    bench.reconciles.seen(image_store(), gone=True)
    await bench.reconciles.reconcile(KEY)
    assert bench.stores.opened[0].closed


async def test_nothing_stays_of_one_that_never_was_ready() -> None:
    bench = Bench()
    bench.stores.secrets.clear()
    await bench.see(image_store())
    assert traces(bench.reconciles, {"uid-of-shop-media"})
    bench.reconciles.seen(image_store(), gone=True)
    await bench.reconciles.reconcile(KEY)
    assert traces(bench.reconciles, {"uid-of-shop-media"}) == []


@pytest.mark.parametrize(("error", "seconds"), [(Conflict("seen by others"), 0.5), (Unavailable("away"), 2)])
async def test_an_error_of_the_api_server_is_a_later_turn(error: Exception, seconds: float) -> None:
    bench = Bench()

    async def fail(*_: object) -> ImageStore:
        raise error

    bench.stores.write_status = fail  # type: ignore[method-assign]
    bench.reconciles.seen(image_store(), gone=False)
    await bench.reconciles.reconcile(KEY)
    assert bench.later == [seconds]


async def test_one_that_went_meanwhile_is_no_error() -> None:
    bench = Bench()
    bench.stores.gone.add("uid-of-shop-media")
    bench.reconciles.seen(image_store(), gone=False)
    await bench.reconciles.reconcile(KEY)
    assert bench.later == []


async def test_temporary_credentials_are_renewed_before_they_end() -> None:
    bench = Bench()
    bench.stores.issued = Credentials("temporary", "t", "s", bench.clock() + timedelta(minutes=13))
    bench.stores.bucket("shop").keys.add(("temporary", "t"))
    bench.stores.accounts.add(("shop", "robot"))
    identity = {"webIdentity": {"serviceAccountName": "robot", "endpoint": "store.example"}}
    assert await bench.see(image_store(auth=identity)) == "Ready"
    assert bench.later == [180]


async def test_an_unchecked_store_is_not_taken_for_deleted() -> None:
    bench = Bench()
    bench.reconciles.seen(image_store(), gone=False)
    bench.now.clear()
    bench.reconciles.start_leading()
    assert bench.now == [KEY]
    with pytest.raises(StoreNotOpen, match="it has not been checked yet") as caught:
        await bench.registry.of(staged_in(image_store()))
    assert caught.value.failure.reason is Reason.STORE_NOT_READY


async def test_one_that_took_the_name_of_another_one_ends_that() -> None:
    bench = Bench()
    await bench.see(image_store())
    await bench.see(image_store(uid="another"))
    assert [store.closed for store in bench.stores.opened] == [True, False]


async def test_one_that_is_gone_stays_open_until_a_sweep_found_nothing_of_its_runs() -> None:
    bench = Bench()
    job = staged_in(image_store())
    bench.cache.put_job(job)
    await bench.see(image_store())
    bench.reconciles.seen(image_store(), gone=True)
    await bench.reconciles.reconcile(KEY)
    (opened,) = bench.stores.opened
    bench.registry.close_if_unused(UID_OF_MEDIA)
    assert not opened.closed, "a run may stage there"
    assert UID_OF_MEDIA in bench.registry.stores_to_sweep()
    bench.cache.drop_job(job.key, job.uid)
    assert not opened.closed, "its deletion may have been deferred"
    bench.registry.close_if_unused(UID_OF_MEDIA)
    assert opened.closed
    assert bench.registry.stores_to_sweep().keys() == {""}


def test_a_status_keeps_the_time_of_its_last_change() -> None:
    clock = ManualClock()
    store = image_store()
    first = store_status(store, Readiness(StoreReason.UNREACHABLE, "away"), clock())
    again = ImageStore(store.key, store.uid, "2", 1, store.spec, first)
    clock.advance(60)
    second = store_status(again, Readiness(StoreReason.BUCKET_NOT_FOUND, "gone"), clock())
    assert second.conditions[0].last_transition_time == first.conditions[0].last_transition_time
    third = store_status(again, Readiness(StoreReason.READY), clock())
    assert third.conditions[0].last_transition_time == clock()


def test_pauses_have_an_end() -> None:
    assert next_check(Readiness(StoreReason.UNREACHABLE), 1000, 0.0) == timedelta(minutes=1)


# --- the garbage collection of all stores -----------------------------------------------------------------


class Yard:
    """Two stores, and who sweeps them."""

    def __init__(self, interval: float = 900.0) -> None:
        self.clock = ManualClock()
        self.stores = {"": MemoryStore(self.clock), "uid": MemoryStore(self.clock)}
        self.clean: list[str] = []
        policy = GarbagePolicy(FOLDER, interval=interval)
        owners = MemoryOwners()

        self.garbage_schedule = GarbageSchedule(
            self._with_staging,
            lambda store, telemetry: GarbageCollector(store, owners, telemetry, policy),
            self.clean.append,
            interval,
        )

    def _with_staging(self) -> dict[str, StoreWithStaging]:
        return {
            uid: StoreWithStaging(f"shop/{uid}" if uid else OWN_STORE, "shop" if uid else "", store)
            for uid, store in self.stores.items()
        }

    def left_by_store(self) -> dict[str, Orphans]:
        """What the sweep of each store left."""
        return {sweeps.name: sweeps.left for sweeps, _ in self.garbage_schedule.sweeps()}

    def litter(self, uid: str) -> None:
        for number in range(3):
            self.stores[uid].set(f"{staging_prefix(FOLDER, 'shop', UID, 1, 1)}in/{number}", b"xx")

    def left(self) -> int:
        return sum(len(store.keys(f".imagejob-staging/{FOLDER}/shop")) for store in self.stores.values())


async def test_every_store_is_swept() -> None:
    yard = Yard()
    for uid in yard.stores:
        yard.litter(uid)
    yard.clock.advance(7200)
    faults = [store.hooks.fail(StoreDenied("locked"), "delete") for store in yard.stores.values()]
    await yard.garbage_schedule.sweep_all()
    assert yard.left() == 6
    assert {name: left.objects for name, left in yard.left_by_store().items()} == {
        OWN_STORE: 3,
        "shop/uid": 3,
    }
    for store, fault in zip(yard.stores.values(), faults, strict=True):
        store.hooks.remove(fault)
    await yard.garbage_schedule.sweep_all()
    assert yard.left() == 0
    assert yard.clean == []
    await yard.garbage_schedule.sweep_all()
    assert sorted(yard.clean) == ["", "uid"]
    assert not any(left.objects for left in yard.left_by_store().values())


async def test_a_deleted_store_takes_its_readiness_with_it() -> None:
    yard = Yard()
    yard.litter("uid")
    yard.clock.advance(7200)
    yard.stores["uid"].hooks.fail(StoreDenied("locked"), "delete")
    await yard.garbage_schedule.sweep_all()
    assert yard.left_by_store()["shop/uid"].objects == 3
    del yard.stores["uid"]
    await yard.garbage_schedule.sweep_all()
    assert yard.left_by_store().keys() == {OWN_STORE}


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


async def test_it_sweeps_again_and_again_until_it_is_stopped() -> None:
    yard = Yard(interval=0.01)
    yard.litter("uid")
    yard.clock.advance(7200)
    yard.garbage_schedule.start()
    await _until(lambda: not yard.left())
    await yard.garbage_schedule.stop()
    calls = len(yard.stores["uid"].hooks.calls)
    await asyncio.sleep(0.03)
    assert len(yard.stores["uid"].hooks.calls) == calls


async def test_stopping_what_was_never_started_is_nothing() -> None:
    await Yard().garbage_schedule.stop()
