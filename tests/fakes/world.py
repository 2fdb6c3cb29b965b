"""The whole loop over the fakes, on a clock that jumps to the next thing that will happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

from fakes.build import POLICY, SPEC
from fakes.clock import ManualClock
from fakes.hooks import Death, Gate
from fakes.memory_cluster import MemoryCluster, Script
from fakes.memory_store import MemoryStore
from fakes.memory_stores import ALLOWED, MemoryStores
from fakes.memory_web import MemoryWeb, downloader
from fakes.scripts import well
from fakes.telemetry import CountingTelemetry
from imagejob_operator.api.imagejob import Identity, ImageJob, Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.controller.attempt_actions import AttemptActions
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.executor import Executor
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.reconciler import Reconciler
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.controller.workqueue import RETRY, WorkQueue
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.decision.observation import Policy
from imagejob_operator.naming.names import STAGING_ROOT
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.stores.connector import Connector
from imagejob_operator.stores.registry import OwnStore, StoreRegistry

KEY = Key("shop", "spring")
HANGS_AFTER = 30.0
"""Seconds without any progress of an operation, which computes in threads, on a busy machine."""
MOST_STEPS = 3000


def no_jitter() -> float:
    """What is drawn for the jitter of pauses."""
    return 0.0


class ManualQueue:
    """The queue's promises on the manual clock, without workers."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.ready: list[Key] = []
        self.due: dict[Key, datetime] = {}

    def add(self, key: Key) -> None:
        self.due.pop(key, None)
        if key not in self.ready:
            self.ready.append(key)

    def add_after(self, key: Key, seconds: float) -> None:
        moment = self._clock() + timedelta(seconds=max(0.0, seconds))
        if key not in self.ready and moment < self.due.get(key, datetime.max.replace(tzinfo=moment.tzinfo)):
            self.due[key] = moment

    def retry(self, key: Key) -> None:
        self.add_after(key, RETRY.first.total_seconds())

    def forget(self, key: Key) -> None:
        self.due.pop(key, None)

    def release_due(self) -> bool:
        for key, moment in list(self.due.items()):
            if moment <= self._clock():
                self.add(key)
        return bool(self.ready)


class Operator:
    """One process of the operator, wired as the program wires it."""

    def __init__(
        self,
        cluster: MemoryCluster,
        stores: MemoryStores,
        web: MemoryWeb,
        policy: Policy,
        selector: Mapping[str, str],
        queue: ManualQueue | WorkQueue | None = None,
    ) -> None:
        clock = cluster.clock
        store = stores.own
        self.telemetry = CountingTelemetry()
        self.cache = Cache()
        self.queue: Any = ManualQueue(clock) if queue is None else queue
        self.dead = False
        self.is_leader = True

        fetching = downloader(web)

        connector = Connector(stores, stores.open, stores.exchange, ALLOWED)
        self.stores = StoreRegistry(
            OwnStore(store), connector, policy.staging_folder, self.cache.jobs, self.store_wanted
        )

        work = Operations(cluster, self.stores, cluster, fetching, self.telemetry, clock)
        self.operations = OperationRunner(work, self.queue.add, clock, no_jitter)
        memories = RunMemories(no_jitter)
        access = StoreAccess(cluster, selector, clock, self.stores.views)
        observer = Observer(self.cache, self.operations, memories, access, policy, clock)
        attempts = AttemptActions(cluster, self.stores, self.cache, clock, work.fresh)
        executor = Executor(cluster, attempts, self.operations, memories, self.telemetry, clock, work.fresh)
        self.memories, self.access = memories, access
        self.reconciler = Reconciler(
            self.cache, cast("Any", self.queue), observer, executor, self.telemetry, lambda: self.is_leader
        )
        cluster.on_job = self.job_seen
        cluster.on_attempt = self.attempt_seen
        for job in cluster.jobs():
            self.job_seen("ADDED", job)
        for uid, attempt in cluster.attempts():
            key = next((j.key for j in cluster.jobs() if j.uid == uid), None)
            if key:
                self.attempt_seen("ADDED", uid, key, attempt)

    def store_wanted(self, key: Key) -> None:
        """A store is to be checked soon."""

    def job_seen(self, kind: str, job: ImageJob) -> None:
        if kind == "DELETED":
            self.cache.drop_job(job.key, job.uid)
            self.queue.add(job.key)
        elif self.cache.put_job(job):
            self.queue.add(job.key)

    def attempt_seen(self, kind: str, uid: str, key: Key, attempt: Attempt) -> None:
        if kind == "DELETED":
            self.cache.drop_attempt(Identity(key, uid), attempt)
        else:
            self.cache.put_attempt(Identity(key, uid), attempt)
        self.queue.add(key)

    def running_operations(self) -> list[asyncio.Task[None]]:
        return [task for task in self.operations.tasks() if not task.done()]


Play = Callable[["World"], Awaitable[object]]


class World:
    """A cluster, a store, and an operator that can die and be started again."""

    def __init__(
        self,
        script: Script | None = None,
        sources: Mapping[str, bytes] | None = None,
        policy: Policy | None = None,
        selector: Mapping[str, str] | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.stores = MemoryStores(self.clock, self.store)
        self.cluster = MemoryCluster(self.clock, self.store, script or well())
        self.web = MemoryWeb(self.cluster.hooks)
        self.policy = policy or POLICY
        self.selector = selector or {}
        self.death: Death | None = None
        for key, data in (sources or {"uploads/a.jpg": b"aaa", "uploads/b.png": b"bb"}).items():
            self.store.set(f"shop/{key}", data, "image/any")
        self.operator = self._start()
        self.phases: list[str] = []
        self.hanging = False
        """Whether operations may wait for what never comes."""

    def _start(self) -> Operator:
        return Operator(self.cluster, self.stores, self.web, self.policy, self.selector)

    def create(self, **fields: Any) -> ImageJob:
        return self.cluster.create(KEY.name, {**SPEC, **fields})

    @property
    def job(self) -> ImageJob:
        found = self.cluster.job(KEY)
        assert found is not None, "the job is gone"
        return found

    @property
    def phase(self) -> str:
        """The phase as the operator sees it, which does not write each phase at once."""
        return self.operator.reconciler.statuses.current(self.job).status.at.value

    def ended(self) -> bool:
        found = self.cluster.job(KEY)
        return found is None or (found.status.at in TERMINAL and not found.guarded)

    def staged(self) -> list[str]:
        return self.store.keys(STAGING_ROOT)

    def error(self) -> str:
        error = self.job.status.error
        return f"{error.code}/{error.reason}" if error else ""

    def die_at(self, call: int, after_effect: bool) -> None:
        """Have the operator end at one of its calls, also at one that would be refused."""
        self.death = Death(call, after_effect)
        self.cluster.hooks.install(self.death, first=True)
        self.store.hooks.install(self.death, first=True)

    def calls(self, after_effect: bool) -> int:
        """How many calls the operator has made; or, of these, how many took effect."""
        hooks = (self.cluster.hooks, self.store.hooks)
        return sum(each.effects if after_effect else len(each.calls) for each in hooks)

    async def restart(self) -> None:
        """End the operator as a kill would, and start another one."""
        self.operator.dead = True
        if self.death:
            self.cluster.hooks.remove(self.death)
            self.store.hooks.remove(self.death)
            self.death = None
        await self.operator.operations.stop()
        self.operator = self._start()

    async def run(self, until: Callable[[], bool] | None = None, within: float = 100_000) -> float:
        """Let the world go on until something holds; the seconds that it took."""
        done = until or self.ended
        begun = self.clock()
        for _ in range(MOST_STEPS):
            if done():
                return (self.clock() - begun).total_seconds()
            assert self.clock() - begun <= timedelta(seconds=within), f"not within {within} s: {self.where()}"
            await self.step()
        raise AssertionError(f"no end in sight after {MOST_STEPS} steps: {self.where()}")

    def hang(self, operation: str) -> None:
        """Have calls to the store never return, as those to a server that hangs."""
        self.hanging = True
        self.store.hooks.install(Gate(operation))

    def where(self) -> str:
        found = self.cluster.job(KEY)
        return f"{found.status.phase} {found.status.error}" if found else "gone"

    async def step(self) -> None:
        """One reconcile if a key is ready, else let operations run, else move the clock to the next timer."""
        operator = self.operator
        if operator.queue.release_due():
            key = operator.queue.ready.pop(0)
            await self._survive(operator.reconciler.reconcile(key))
            self._note()
            return
        tasks = operator.running_operations()
        if tasks:
            seconds = 0.02 if self.hanging else HANGS_AFTER
            waiting = asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
            if await self._survive(waiting) != (set(), set(tasks)):
                return
            assert self.hanging, f"an operation hangs: {self.where()}"
        if self.cluster.play():
            return
        moments = [*operator.queue.due.values(), *filter(None, [self.cluster.next_event()])]
        assert moments, f"nothing will ever happen again: {self.where()}"
        self.clock.advance_to(min(moments))

    async def _survive(self, work: Any) -> Any:
        """Do some of the operator's work; if it dies in it, start it again."""
        if self.death is None:
            return await work
        task = asyncio.ensure_future(work)
        killed = asyncio.ensure_future(self.death.happened.wait())
        await asyncio.wait({task, killed}, return_when=asyncio.FIRST_COMPLETED)
        if self.death.happened.is_set():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.restart()
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
        return None

    def _note(self) -> None:
        found = self.cluster.job(KEY)
        if found and found.status.phase and self.phases[-1:] != [found.status.phase]:
            self.phases.append(found.status.phase)


async def nothing_before(world: World) -> None:
    """The operator may be killed from the beginning on."""


async def killed_everywhere(
    after_effect: bool,
    play: Play,
    before: Play = nothing_before,
    make: Callable[[], World] = World,
    part: int = 0,
    parts: int = 1,
) -> AsyncIterator[tuple[World, str]]:
    """Worlds that were played with the operator killed once, at each call that it makes undisturbed.

    Args:
        after_effect: kill it after the call took effect instead of before.
        play: what happens while it may be killed.
        before: what happens in each world first.
        make: makes a world.
        part: of `parts`; each part takes its share of the calls.
        parts: in how many parts the calls are divided.

    Yields:
        The world after it was played, and at which call the operator was killed.
    """

    async def played(call: int | None) -> tuple[World, int]:
        world = make()
        await before(world)
        calls = world.calls(after_effect)
        if call is not None:
            world.die_at(call, after_effect)
        await play(world)
        return world, world.calls(after_effect) - calls

    _, total = await played(None)
    assert total > parts, "the operator made no calls"
    for call in range(part, total, parts):
        world, _ = await played(call)
        where = f"killed at call {call} of {total}"
        assert world.death is None, f"not {where}"
        yield world, where
