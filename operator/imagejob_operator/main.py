"""The only wiring: settings, adapters, loop, handlers, Kopf."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import kopf

from imagejob_operator.adapters.http.downloads import HttpDownloads
from imagejob_operator.adapters.kubernetes.imagejobs import KubeImageJobs
from imagejob_operator.adapters.kubernetes.imagestores import KubeImageStores
from imagejob_operator.adapters.kubernetes.lease import KubeLease
from imagejob_operator.adapters.kubernetes.metadata_list import KubeMetadataLister
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.adapters.kubernetes.secrets import KubeSecrets
from imagejob_operator.adapters.kubernetes.session import (
    UNLIMITED,
    KubeHTTP,
    load_configuration,
    open_session,
)
from imagejob_operator.adapters.process.exit import exit_when_lease_lost, exit_when_watch_stalls
from imagejob_operator.adapters.process.http_server import serve
from imagejob_operator.adapters.process.logs import set_up_logs
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.adapters.s3.client import StoreAddress
from imagejob_operator.adapters.s3.connect import open_store
from imagejob_operator.adapters.s3.file_credentials import FileCredentials
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.adapters.s3.web_identity import exchange
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.cache_sync import await_cache_sync
from imagejob_operator.controller.cluster_uid import ClusterUnknown, read_cluster
from imagejob_operator.controller.executor import Executor
from imagejob_operator.controller.imagestores import ImageStoreReconciler
from imagejob_operator.controller.leader_election import LEASE, LeaderElector
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.reconciler import Reconciler
from imagejob_operator.controller.shutdown import drain
from imagejob_operator.controller.watch_monitor import WatchMonitor
from imagejob_operator.decision.observation import Policy
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.handlers.kopf_settings import register_process
from imagejob_operator.handlers.watch import register_watches
from imagejob_operator.naming.prefixes import staging_folder
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.settings import InvalidSettings, Settings, read_settings
from imagejob_operator.stores.connector import Connector
from imagejob_operator.stores.registry import OwnStore, StoreRegistry
from imagejob_operator.validation.networks import SourceNetworks

log = logging.getLogger(__name__)


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the one place where time enters)


class Operator:
    """All parts of one operator, put together, and the order in which they live."""

    def __init__(self, settings: Settings, configuration: Any, cluster: str) -> None:
        self._settings = settings
        self._configuration = configuration
        self._name = f"imagejob-{settings.installation}"
        self._ready = asyncio.Event()
        self._leading: asyncio.Task[None] | None = None
        self._drained = False
        self._cache = Cache()
        # Followers know the jobs as well: only one replica tells of them.
        self._metrics = Metrics(lambda: self._cache.jobs() if self._elector.is_leader() else ())
        # A session of its own: where all others wait for a free connection, a renewal must not.
        self._lease_session = open_session(configuration, connections=2)
        lease_http = KubeHTTP(configuration.host, self._lease_session, self._metrics.api_call)
        lease = KubeLease(lease_http, settings.pod_namespace, self._name, LEASE, now)
        self._elector = LeaderElector(lease, settings.pod_name)
        self._metrics.watch_leader(self._elector.is_leader)
        address = _address(settings)
        credentials = FileCredentials(settings.store_credentials)
        self._store = S3Store(address, credentials, self._metrics.store_call)
        self._session = open_session(configuration, gate=self._elector.is_leader)
        http = KubeHTTP(configuration.host, self._session, self._metrics.api_call)
        jobs = KubeImageJobs(http, now)
        image, pull_policy = settings.processor_image, settings.processor_pull_policy
        pods = PodSettings(settings.installation, image, pull_policy, settings.engine)
        self._launcher = PodLauncher(http, pods, now)
        self._owners = KubeOwners(http)
        self._downloads = HttpDownloads(
            SourceNetworks(settings.source_allowed_networks, settings.source_blocked_networks),
            settings.source_proxy,
        )
        downloader = Downloader(self._downloads, KubeSecrets(http))
        gate, folder = self._elector.is_leader, staging_folder(settings.installation, cluster)
        policy = _sweep_policy(settings, folder)
        stores = KubeImageStores(http)
        opener = partial(open_store, observe=self._metrics.store_call)
        self._stores = StoreRegistry(
            OwnStore(self._store, address.ca_bundle),
            Connector(stores, opener, exchange, settings.allowed_endpoints),
            folder,
            self._cache.jobs,
            lambda key: self._imagestore_reconciler.queue.add(key),
        )
        self._imagestore_reconciler = ImageStoreReconciler(
            self._stores, stores, self._cache, lambda key: self._reconciler.queue.add(key), now, gate
        )
        self._garbage_schedule = GarbageSchedule(
            self._stores.to_sweep,
            lambda store: GarbageCollector(store, self._owners, self._metrics.sweep, policy, gate),
            self._stores.release,
            self._metrics.sweep,
            policy.interval,
        )
        work = Operations(self._stores, self._launcher, downloader, self._metrics, now)
        self._operations = OperationRunner(work, lambda key: self._reconciler.queue.add(key), now)
        selector = settings.namespace_selector
        observer = Observer(
            self._cache, self._operations, jobs, now, _policy(settings, folder), selector, self._stores.views
        )
        executor = Executor(jobs, self._launcher, self._stores, self._metrics, self._cache, now)
        self._reconciler = Reconciler(
            self._cache, observer, executor, self._operations, jobs, self._metrics, now, gate
        )
        metadata_lister = KubeMetadataLister(http, settings.installation)
        self._watch_monitor = WatchMonitor(
            metadata_lister,
            self._cache,
            self._reconciler.queue,
            self._imagestore_reconciler.queue,
            (self._garbage_schedule.complaint,),
            settings.watch_namespaces,
        )

    async def run(self) -> None:
        """Watch, and do the work when it is this replica's to do, until told to stop."""
        web = await serve(
            self._settings.http_port, self._metrics.registry, self._ready.is_set, self._watch_monitor
        )
        await self._see_pods()
        # Started before Kopf, or Kopf would end its tasks as left over when it stops.
        self._reconciler.queue.start()
        self._imagestore_reconciler.queue.start()
        self._leading = asyncio.create_task(exit_when_lease_lost(self._lead()))
        watch_monitor = asyncio.create_task(exit_when_watch_stalls(self._watch_monitor.keep()))
        try:
            await kopf.operator(
                registry=self._registry(),
                # Else Kopf asks for the user's name, and in a container the user is a number without one.
                identity=cast("Any", self._name),
                standalone=True,
                clusterwide=not self._settings.watch_namespaces,
                namespaces=self._settings.watch_namespaces,
            )
        finally:
            watch_monitor.cancel()
            await self._drain()
            await self._lease_session.close()
            await web.cleanup()
            await self._downloads.close()
            await self._session.close()
            self._store.close()
            self._stores.close()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()
        installation = self._settings.installation

        def connect() -> kopf.AiohttpSession:
            session = open_session(self._configuration, connections=UNLIMITED)
            return kopf.AiohttpSession(server=self._configuration.host, aiohttp_session=session)

        register_process(registry, connect, installation, self._drain)
        seen_versions = (self._watch_monitor.jobs, self._watch_monitor.attempts)
        told = (self._cache, self._reconciler.queue, read_attempt)
        settings, see_store = self._settings, self._imagestore_reconciler.seen
        register_watches(registry, *told, settings.installation, settings.job_class, see_store, seen_versions)
        return registry

    async def _see_pods(self) -> None:
        """See all Pods at once.

        The watch tells nobody when it has told all: without this a job could be cleaned while its Pods run.
        """
        async for pod in self._launcher.present(self._settings.watch_namespaces):
            found = read_attempt(pod)
            if found:
                self._cache.put_attempt(*found)

    async def _lead(self) -> None:
        """Wait to be warm, then to be in charge, and be it."""
        await await_cache_sync(self._cache, self._owners, self._settings.watch_namespaces)
        self._ready.set()
        await self._elector.acquire()
        self._imagestore_reconciler.begin()
        for job in self._cache.jobs():
            self._reconciler.queue.add(job.key)
        self._garbage_schedule.start()
        await self._elector.keep()

    async def _drain(self) -> None:
        """End what is under way; a second time there is nothing left to end."""
        if self._drained:
            return
        self._drained = True
        queues = (self._reconciler.queue, self._imagestore_reconciler.queue)
        landed = await drain(queues, self._garbage_schedule, self._operations)
        if self._leading:
            self._leading.cancel()
            await asyncio.gather(self._leading, return_exceptions=True)
        # Until the last write has landed, nobody else may begin.
        if landed:
            await self._elector.release()


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop.

    Raises:
        ClusterUnknown: if it may not read which cluster this is.
    """
    configuration = await load_configuration()
    async with open_session(configuration, connections=1) as session:
        cluster = await read_cluster(KubeOwners(KubeHTTP(configuration.host, session)))
    await Operator(settings, configuration, cluster).run()


def _policy(settings: Settings, folder: str) -> Policy:
    return Policy(
        staging_folder=folder,
        cleaning_budget=timedelta(seconds=settings.cleaning_budget_seconds),
        start_grace=timedelta(seconds=settings.start_grace_seconds),
    )


def _sweep_policy(settings: Settings, folder: str) -> GarbagePolicy:
    return GarbagePolicy(
        staging_folder=folder,
        mode=settings.sweep_mode,
        interval=settings.sweep_interval_seconds,
        namespaces=settings.watch_namespaces,
    )


def _address(settings: Settings) -> StoreAddress:
    return StoreAddress(
        endpoint=settings.store_endpoint,
        bucket=settings.store_bucket,
        secure=settings.store_secure,
        region=settings.store_region,
        pod_endpoint=settings.store_pod_endpoint,
        virtual_host=settings.store_addressing == "VirtualHost",
        ca_bundle=settings.store_ca_bundle,
    )


def main() -> int:
    """The program; 0 when it was told to stop, 2 for wrong settings or rights, 3 when it lost the lease."""
    try:
        settings = read_settings(os.environ)
    except InvalidSettings as error:
        sys.stderr.write(f"imagejob-operator: {error}\n")
        return 2
    set_up_logs(settings.log_level)
    log.info("starting", extra={"installation": settings.installation, "bucket": settings.store_bucket})
    try:
        asyncio.run(run(settings))
    except ClusterUnknown as error:
        sys.stderr.write(f"imagejob-operator: {error}\n")
        return 2
    log.info("stopped")
    return 0
