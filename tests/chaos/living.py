"""The operator in a child process, connected to the world."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.connection import Connection
from typing import Any

from chaos.link import Broke, Go, Link, LinkedLoop, Remote
from chaos.remote_stores import RemoteStores
from fakes.memory_cluster import MemoryCluster
from fakes.memory_lease import LeaseLine
from fakes.memory_owners import FOLDER, ClusterOwners
from fakes.memory_web import MemoryWeb
from fakes.world import Operator, World
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import Key
from imagejob_operator.controller.imagestores import ImageStoreReconciler
from imagejob_operator.controller.leader_election import LeaderElector, LeaseLost
from imagejob_operator.controller.workqueue import Queues, WorkQueue
from imagejob_operator.decision.observation import Policy
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.ports.downloads import FetchFailed

EXIT_KILLED = 9
EXIT_LOST = 3


def no_bug(operator: Living) -> None:
    """The unmodified operator."""


@dataclass(frozen=True)
class Setup:
    """Options of the operator's start."""

    policy: Policy = field(default_factory=lambda: Policy(FOLDER))
    selector: Mapping[str, str] = field(default_factory=dict)
    elects: bool = False
    """Whether it stands for election; else it is in charge from the start."""
    sweeps: bool = False
    sweep_every: float = 900.0
    """Seconds."""
    unreachable: tuple[str, ...] = ()
    """URLs whose server answers 503."""
    name: str = "operator-1"
    bug: Callable[[Living], None] = no_bug


class _Cluster(Remote):
    """The cluster as the operator sees it; events arrive over the connection."""

    def __init__(self, link: Link) -> None:
        super().__init__(link, "cluster", MemoryCluster)
        self.clock = link.clock
        self.on_job: Any = None
        self.on_attempt: Any = None


class Living(Operator):
    """The operator with its queues, garbage collector and leader election, as `main` assembles it."""

    def __init__(self, link: Link, setup: Setup) -> None:
        self.link = link
        cluster: Any = _Cluster(link)
        stores: Any = RemoteStores(link)
        self.store = stores.own
        web = MemoryWeb()
        for url in setup.unreachable:
            web.fail(url, FetchFailed(Reason.SOURCE_UNREACHABLE, f"{url} returned HTTP 503", transient=True))
        super().__init__(cluster, stores, web, setup.policy, setup.selector, WorkQueue())
        self.queues = Queues(self.queue)
        link.on_event = self._seen
        self.elector = LeaderElector(Remote(link, "lease", LeaseLine), setup.name, lambda: link.now)
        if setup.elects:
            self.reconciler = replace(self.reconciler, is_leader=self.elector.is_leader)
        self.is_leader = not setup.elects
        gate = self.elector.is_leader if setup.elects else lambda: True
        self.imagestore_reconciler = ImageStoreReconciler(
            self.stores, stores, self.cache, self.queues, link.clock, gate
        )
        for store in stores.listed():
            self.imagestore_reconciler.seen(store, gone=False)
        policy = GarbagePolicy(setup.policy.staging_folder, interval=setup.sweep_every)
        self.owners: Any = Remote(link, "owners", ClusterOwners)
        self.garbage_schedule = GarbageSchedule(
            self.stores.stores_to_sweep,
            lambda store, counts: GarbageCollector(store, self.owners, counts, policy, gate),
            self.stores.close_if_unused,
            policy.interval,
        )
        self._setup = setup

    def store_wanted(self, key: Key) -> None:
        self.queues.imagestores.add(key)

    def _seen(self, kind: str, *what: Any) -> None:
        if kind == "job":
            change, job = what
            self.job_seen(change, job)
        elif kind == "store":
            store, gone = what
            self.imagestore_reconciler.seen(store, gone)
        else:
            change, uid, key, attempt = what
            self.attempt_seen(change, uid, key, attempt)

    async def live(self) -> None:
        """Run until the world ends it or the Lease is lost."""
        self.queue.start(self.reconciler.reconcile)
        self.queues.imagestores.start(self.imagestore_reconciler.reconcile)
        if self._setup.elects:
            await self.elector.acquire()
        self.imagestore_reconciler.start_leading()
        for job in self.cache.jobs():
            self.queue.add(job.key)
        if self._setup.sweeps:
            self.garbage_schedule.start()
        if self._setup.elects:
            try:
                await self.elector.renew()
            except LeaseLost:
                os._exit(EXIT_LOST)
        await asyncio.Event().wait()


@cache
def warm_up() -> None:
    """Run once in this process, so that children inherit the caches of types."""

    async def once() -> None:
        world = World()
        world.create()
        await world.run()
        await world.operator.operations.stop()

    asyncio.run(once())


class _Unexpected(logging.Handler):
    """Ends the operator at an exception that it did not expect: it retries what it may never succeed with."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(logging.ERROR)
        self._connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._connection.send(Broke(f"{record.getMessage()}\n{traceback.format_exc()}"))
            os._exit(1)


def be_born(connection: Connection, setup: Setup, begun: Go) -> None:
    """The child process; it ends by `os._exit` only, so that no `finally` runs."""
    link = Link(connection, lambda: os._exit(EXIT_KILLED), begun.now, begun.wall)
    gc.disable()
    logging.disable(logging.WARNING)
    logging.getLogger("imagejob_operator").addHandler(_Unexpected(connection))
    random.seed(0)

    async def whole() -> None:
        living = Living(link, setup)
        setup.bug(living)
        await living.live()

    try:
        with asyncio.Runner(loop_factory=lambda: LinkedLoop(link)) as runner:
            runner.run(whole())
    except BaseException:  # noqa: BLE001  (whatever it is, the parent must hear of it)
        connection.send(Broke(traceback.format_exc()))
    finally:
        os._exit(1)
