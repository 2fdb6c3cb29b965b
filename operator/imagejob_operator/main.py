"""The program: settings, leader election, Kopf, and a graceful end."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import kopf

from imagejob_operator.adapters.kubernetes.listing import never_gone
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, load_configuration, open_session
from imagejob_operator.adapters.kubernetes.watch_session import open_watch_session
from imagejob_operator.adapters.process.exit import EXIT_LEASE_LOST, EXIT_WATCH_STALLED, exit_on_error
from imagejob_operator.adapters.process.http_server import serve
from imagejob_operator.adapters.process.logs import set_up_logs
from imagejob_operator.api.imagejob import Key
from imagejob_operator.controller.shutdown import drain
from imagejob_operator.controller.stall_detector import StallDetector
from imagejob_operator.controller.startup import ClusterUnknown, await_cache_sync, read_cluster_uid
from imagejob_operator.controller.workqueue import Reconcile, WorkQueue
from imagejob_operator.decision.garbage import Mode
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.fairness import COMPUTING_THREADS, FairExecutor
from imagejob_operator.handlers.kopf_settings import register_process
from imagejob_operator.handlers.watch import WatchHandlers
from imagejob_operator.log_context import NO_OBJECT, current_object, fields_of
from imagejob_operator.settings import Settings, read_settings
from imagejob_operator.wiring import Operator

log = logging.getLogger(__name__)

EXIT_CONFIGURATION = 2
MAX_RECURSION = 20_000
"""The API server accepts objects that are nested 10,000 levels deep; by default Python refuses to parse them,
and one of them would end the watch of its kind. A thread's stack of 8 MiB is enough."""
NOT_READY_REQUEUE = 5.0
"""Seconds after which a namespace that is not ready is checked again."""


class Process:
    """Runs one operator: it watches, leads once it has the Lease, and drains when it is stopped."""

    def __init__(self, operator: Operator, configuration: Any) -> None:
        self._operator = operator
        self._configuration = configuration
        self._in_sync = asyncio.Event()
        self._pods_listed = asyncio.Event()
        """Set when the Pods of every namespace that can be read have been listed."""
        self._leading: asyncio.Task[None] | None = None
        self._drained = False
        self._handlers = WatchHandlers(
            operator.cache,
            operator.queues.jobs,
            operator.imagestore_reconciler.seen,
            read_attempt,
            operator.watch_monitor.jobs,
            operator.watch_monitor.attempts,
            operator.settings.job_class,
            operator.metrics.event_failed,
            operator.metrics.attempt_changed,
        )

    async def run(self) -> None:
        """Run until the process is stopped."""
        operator, settings = self._operator, self._operator.settings
        health = operator.watch_monitor
        computing = FairExecutor("computing", COMPUTING_THREADS, operator.metrics.waited)
        asyncio.get_running_loop().set_default_executor(computing)
        stalls = StallDetector(operator.metrics.event_loop_lag)
        stalls.start()
        web = await serve(settings.http_port, operator.metrics.registry, self._in_sync.is_set, health)
        listing = asyncio.create_task(exit_on_error(self._list_pods(), EXIT_WATCH_STALLED))
        # Before Kopf, which cancels all tasks that were started after it.
        for queue, reconciler in (
            (operator.queues.jobs, operator.reconciler),
            (operator.queues.imagestores, operator.imagestore_reconciler),
        ):
            queue.start(self.when_ready(queue, reconciler.reconcile))
        self._leading = asyncio.create_task(exit_on_error(self.lead(), EXIT_LEASE_LOST))
        monitoring = asyncio.create_task(exit_on_error(health.run(), EXIT_WATCH_STALLED))
        probing = asyncio.create_task(operator.store_probe.run())
        try:
            await kopf.operator(
                registry=self.registry(),
                # Otherwise Kopf asks for the name of the user, and in a container the user has none.
                identity=cast("Any", settings.pod_name),
                standalone=True,
                clusterwide=not settings.watch_namespaces,
                namespaces=settings.watch_namespaces,
            )
        finally:
            monitoring.cancel()
            probing.cancel()
            stalls.stop()
            listing.cancel()
            await self.drain()
            await web.cleanup()
            await operator.close()

    def registry(self) -> kopf.OperatorRegistry:
        """Kopf's settings and handlers."""
        registry, operator = kopf.OperatorRegistry(), self._operator

        def connect() -> kopf.AiohttpSession:
            session = open_watch_session(self._configuration)
            return kopf.AiohttpSession(server=self._configuration.host, aiohttp_session=session)

        register_process(registry, connect, operator.settings.installation, self.drain)
        self._handlers.register(registry, operator.settings.installation)
        return registry

    async def lead(self) -> None:
        """Wait for the cache and for the Lease, then lead; LeaseLost if the Lease is lost."""
        operator = self._operator
        await await_cache_sync(operator.cache, operator.clients.owners, operator.namespaces)
        await self._pods_listed.wait()
        self._in_sync.set()
        await operator.elector.acquire()
        operator.imagestore_reconciler.start_leading()
        for job in operator.cache.jobs():
            operator.queues.jobs.add(job.key)
        if operator.settings.sweep_mode is not Mode.OFF:
            operator.garbage_schedule.start()
        watching = [asyncio.create_task(watch.run()) for watch in (operator.store_watch, operator.unserved)]
        if operator.notifier:
            watching.append(asyncio.create_task(operator.notifier.run(operator.cache.jobs)))
        if operator.tracer:
            watching.append(asyncio.create_task(operator.tracer.run()))
        try:
            await operator.elector.renew()
        finally:
            for task in watching:
                task.cancel()

    async def drain(self) -> None:
        """Stop all work and release the Lease; a second call has no effect."""
        if self._drained:
            return
        self._drained = True
        operator = self._operator
        completed = await drain(operator.queues, operator.garbage_schedule, operator.operations)
        if self._leading:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
        # No other replica may lead before the last write has completed.
        if completed:
            await operator.elector.release()

    def when_ready(self, queue: WorkQueue, reconcile: Reconcile) -> Reconcile:
        """Reconcile keys of namespaces that are ready; what is logged meanwhile names the object."""

        async def reconcile_if_ready(key: Key) -> None:
            if not self._operator.namespaces.ready(key.namespace):
                queue.add_after(key, NOT_READY_REQUEUE)
                return
            job = self._operator.cache.job(key) if queue is self._operator.queues.jobs else None
            current_object.set(fields_of(job))
            await reconcile(key)
            # Not after an error, which the queue logs.
            current_object.set(NO_OBJECT)

        return reconcile_if_ready

    async def _list_pods(self) -> None:
        """Cache the Pods of every namespace, which makes it ready; errors are retried."""
        operator = self._operator

        async def read(names: Sequence[str]) -> None:
            with never_gone():
                async for pod in operator.clients.launcher.present(names):
                    event = kopf.RawEvent(type=None, object=cast("Any", pod))
                    await self._handlers.on_pod(event)

        while not operator.namespaces.all_listed():
            await operator.namespaces.list_pods(read)
            self._pods_listed.set()
            await asyncio.sleep(NOT_READY_REQUEUE)


async def run(settings: Settings) -> None:
    """Run the operator until it is stopped; ClusterUnknown if it may not read the uid of the cluster."""
    configuration = await load_configuration()
    async with open_session(configuration, connections=1) as session:
        cluster_uid = await read_cluster_uid(KubeOwners(KubeHTTP(configuration.host, session)))
    await Process(Operator(settings, configuration, cluster_uid), configuration).run()


def main() -> int:
    """Exit code 0 when stopped, 2 for invalid settings or missing permissions; 3 and 4 exit at once."""
    sys.setrecursionlimit(MAX_RECURSION)
    try:
        settings = read_settings(os.environ)
        set_up_logs(settings.log_level)
        log.info("starting", extra={"installation": settings.installation, "bucket": settings.store.bucket})
        asyncio.run(run(settings))
    except (InvalidSettings, ClusterUnknown) as error:
        sys.stderr.write(f"imagejob-operator: {error}\n")
        return EXIT_CONFIGURATION
    log.info("stopped")
    return 0
