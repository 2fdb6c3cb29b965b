"""Builds all parts of one operator and connects them. Nothing is started or requested here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from imagejob_operator.adapters.http.downloads import HttpDownloads
from imagejob_operator.adapters.http.event_sink import HttpEventSink
from imagejob_operator.adapters.kubernetes.imagejobs import KubeImageJobs
from imagejob_operator.adapters.kubernetes.imagestores import KubeImageStores
from imagejob_operator.adapters.kubernetes.lease import KubeLease
from imagejob_operator.adapters.kubernetes.metadata_list import KubeMetadataLister
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.adapters.kubernetes.secrets import KubeSecrets
from imagejob_operator.adapters.kubernetes.session import (
    API_CALLS,
    POD_CALLS,
    KubeHTTP,
    api_audiences,
    open_session,
)
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.adapters.s3.file_credentials import FileCredentials
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.adapters.s3.web_identity import exchange
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.controller.attempt_actions import AttemptActions
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.executor import Executor
from imagejob_operator.controller.imagestores import ImageStoreReconciler
from imagejob_operator.controller.leader_election import LEASE_DURATION, LeaderElector
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.reconciler import Reconciler
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.controller.run_notifier import RunNotifier
from imagejob_operator.controller.run_tracer import RunTracer
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.controller.store_probe import StoreProbe
from imagejob_operator.controller.store_watch import StoreWatch
from imagejob_operator.controller.unserved import UnservedJobs
from imagejob_operator.controller.watch_monitor import WatchMonitor
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.decision.observation import Observation, Policy
from imagejob_operator.fairness import FairLimiter
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.naming.prefixes import own_staging_prefix, staging_folder
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.limits import OperationLimits
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.ports.object_store import Gate, ObjectStore
from imagejob_operator.ports.telemetry import GarbageTelemetry
from imagejob_operator.settings import Settings
from imagejob_operator.stores.connector import Connector
from imagejob_operator.stores.registry import OwnStore, StoreRegistry
from imagejob_operator.validation.networks import SourceNetworks

if TYPE_CHECKING:
    from imagejob_operator.adapters.http.trace_collector import HttpTraceCollector


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the only place where the clock is read)


def _trace_collector(settings: Settings) -> HttpTraceCollector | None:
    if settings.traces is None:
        return None
    # The schema of OTLP takes memory and time to load, which an operator without traces saves.
    from imagejob_operator.adapters.http.trace_collector import HttpTraceCollector

    operator = {"k8s.namespace.name": settings.pod_namespace, "k8s.pod.name": settings.pod_name}
    return HttpTraceCollector(settings.traces, operator)


class Clients:
    """Connections to everything outside. Writes to the API server are gated by leadership."""

    def __init__(self, settings: Settings, configuration: Any, metrics: Metrics, is_leader: Gate) -> None:
        self._session = open_session(configuration, gate=is_leader)
        calls = FairLimiter("api_calls", API_CALLS, metrics.waited)
        http = KubeHTTP(configuration.host, self._session, metrics.api_call, calls)
        pod_calls = FairLimiter("pod_calls", POD_CALLS, metrics.waited)
        pod_http = KubeHTTP(configuration.host, self._session, metrics.api_call, pod_calls)
        pods = PodSettings(
            settings.installation,
            settings.processor_image,
            settings.processor_pull_policy,
            settings.engine,
            settings.pod_template,
        )
        self.jobs = KubeImageJobs(http, now)
        self.launcher = PodLauncher(pod_http, pods, now)
        self.owners = KubeOwners(http)
        self.image_stores = KubeImageStores(http, api_audiences(configuration))
        self.metadata_lister = KubeMetadataLister(http, settings.installation)
        networks = SourceNetworks(settings.source_allowed_networks, settings.source_blocked_networks)
        self._downloads = HttpDownloads(networks, settings.source_proxy, waited=metrics.waited)
        self.downloader = Downloader(self._downloads, KubeSecrets(http), settings.pod_namespace)
        url, token = settings.event_sink, settings.event_sink_token_file
        self.event_sink = HttpEventSink(url, token) if url else None
        self.trace_collector = _trace_collector(settings)
        credentials = FileCredentials(settings.store_credentials)
        self.store = S3Store(settings.store, credentials, metrics.store_call, metrics.waited)

    async def close(self) -> None:
        """Close all connections."""
        await self._downloads.close()
        if self.event_sink:
            await self.event_sink.close()
        if self.trace_collector:
            await self.trace_collector.close()
        await self._session.close()
        self.store.close()


class Operator:
    """All parts of one operator."""

    def __init__(self, settings: Settings, configuration: Any, cluster_uid: str) -> None:
        """`configuration` has address and credentials of the API server."""
        self.settings = settings
        self.cache = Cache()
        self.metrics = Metrics()
        self.queues = Queues.observed(self.metrics.queued, self.cache.has_begun)
        self.namespaces = WatchedNamespaces(settings.watch_namespaces, self.metrics.namespace_available)
        # Its own session: a renewal must not wait for a free connection.
        self.lease_session = open_session(configuration, connections=2)
        self.elector = self._build_elector(configuration.host)
        self.clients = Clients(settings, configuration, self.metrics, self.elector.is_leader)
        self._staging_folder = staging_folder(settings.installation, cluster_uid)
        self.stores = self._build_stores()
        staging = own_staging_prefix(self._staging_folder)
        self.store_probe = StoreProbe(self.clients.store, staging, self.metrics.store_usable)
        self._fresh = FreshRuns()
        clients, limits = self.clients, OperationLimits(self.metrics.waited)
        operations = Operations(
            clients.jobs,
            self.stores,
            clients.launcher,
            clients.downloader,
            self.metrics,
            now,
            limits,
            settings.pod_template,
            self._fresh,
        )
        self.operations = OperationRunner(operations, self.queues.jobs.add, now)
        registry, wake = self.stores, self.queues.jobs.add
        self.store_watch = StoreWatch(registry.stores_to_sweep, self.cache.jobs, wake, self._staging_folder)
        sink = self.clients.event_sink
        self.notifier = RunNotifier(sink, now, self.metrics.notified) if sink else None
        collector = self.clients.trace_collector
        self.tracer = RunTracer(collector, self.metrics.traced) if collector else None
        self.unserved = UnservedJobs(clients.jobs, self.cache, settings.job_class, now)
        self.reconciler = self._build_reconciler()
        self.imagestore_reconciler = ImageStoreReconciler(
            self.stores, self.clients.image_stores, self.cache, self.queues, now, self.elector.is_leader
        )
        self.garbage_schedule = self._build_garbage_schedule()
        schedule, is_leader = self.garbage_schedule, self.elector.is_leader
        self.metrics.watch(self.cache.jobs, is_leader, self.queues, schedule.sweeps)
        self.metrics.watch_unserved(lambda: len(self.cache.unserved(now())) if is_leader() else 0)
        tasks = (schedule.failure,)
        lister = self.clients.metadata_lister
        self.watch_monitor = WatchMonitor(lister, self.cache, self.queues, tasks, self.namespaces)
        self.metrics.watch_lag(self.watch_monitor.lag, self.watch_monitor.checked_age)

    async def close(self) -> None:
        """Close all connections."""
        await self.lease_session.close()
        await self.clients.close()
        self.stores.close()

    def _build_elector(self, host: str) -> LeaderElector:
        http = KubeHTTP(host, self.lease_session, self.metrics.api_call)
        name = f"imagejob-{self.settings.installation}"
        lease = KubeLease(http, self.settings.pod_namespace, name, LEASE_DURATION, now)
        return LeaderElector(lease, self.settings.pod_name)

    def _build_stores(self) -> StoreRegistry:
        own = OwnStore(self.clients.store, self.settings.store.ca_bundle)
        opener = partial(S3Store, observe=self.metrics.store_call, waited=self.metrics.waited)
        allowed = self.settings.allowed_endpoints
        connector = Connector(self.clients.image_stores, opener, exchange, allowed)
        return StoreRegistry(
            own, connector, self._staging_folder, self.cache.jobs, self.queues.imagestores.add
        )

    def _build_reconciler(self) -> Reconciler:
        jobs, memories = self.clients.jobs, RunMemories()
        policy = Policy(
            staging_folder=self._staging_folder,
            cleaning_budget=timedelta(seconds=self.settings.cleaning_budget_seconds),
            start_grace=timedelta(seconds=self.settings.start_grace_seconds),
        )
        access = StoreAccess(jobs, self.settings.namespace_selector, now, self.stores.views)
        away = self.store_watch.away
        observer = Observer(self.cache, self.operations, memories, access, policy, now, away)
        attempts = AttemptActions(self.clients.launcher, self.stores, self.cache, now, self._fresh)
        executor = Executor(
            jobs, attempts, self.operations, memories, self.metrics, now, self._fresh, self._moved
        )
        is_leader = self.elector.is_leader
        return Reconciler(self.cache, self.queues.jobs, observer, executor, self.metrics, is_leader)

    def _moved(self, o: Observation, job: ImageJob) -> None:
        """A job has moved to another phase since it was observed."""
        if self.notifier:
            self.notifier.moved(job)
        if self.tracer:
            self.tracer.moved(o, job)

    def _build_garbage_schedule(self) -> GarbageSchedule:
        days = self.settings.report_retention_days
        policy = GarbagePolicy(
            staging_folder=self._staging_folder,
            mode=self.settings.sweep_mode,
            interval=self.settings.sweep_interval_seconds,
            report_retention=timedelta(days=days) if days else None,
        )
        is_leader = self.elector.is_leader

        def new_collector(store: ObjectStore, telemetry: GarbageTelemetry) -> GarbageCollector:
            return GarbageCollector(store, self.clients.owners, telemetry, policy, is_leader, self.namespaces)

        stores = self.stores
        return GarbageSchedule(stores.stores_to_sweep, new_collector, stores.close_if_unused, policy.interval)
