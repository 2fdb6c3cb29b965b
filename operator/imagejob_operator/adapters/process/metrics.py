"""Prometheus metrics of the operator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imagejob_operator.api.errors import Fault, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.status import Status
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.phases.cleaning import DEFERRALS
from imagejob_operator.garbage.schedule import StoreSweeps

_CALL_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_WAIT_BUCKETS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
F = TypeVar("F", GaugeMetricFamily, CounterMetricFamily)
STORES = ("default", "imagestore")
"""Label of counters that must not grow with the number of ImageStores."""
_PHASE_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


MAX_NAMESPACES = 100
"""Namespaces with series of their own in each replica."""
OTHER_NAMESPACES = "(other)"
"""The label of all further ones; no namespace can have this name."""


class NamespaceLabels:
    """Values of the label `job_namespace`, not `namespace`, which is that of the operator that is scraped.

    The first namespaces keep their names while the process lives, so the number of series is bounded.
    """

    def __init__(self, most: int = MAX_NAMESPACES) -> None:
        self._most = most
        self._named: set[str] = set()

    def of(self, job: ImageJob) -> str:
        """The label of a job's namespace."""
        name = job.key.namespace
        if name not in self._named and len(self._named) >= self._most:
            return OTHER_NAMESPACES
        self._named.add(name)
        return name


class Metrics:
    """All metrics of one operator, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._namespaces = NamespaceLabels()
        ProcessCollector(registry=self.registry)
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry, buckets=_CALL_BUCKETS)
        self._leader = gauge("imagejob_leader", "1 if this replica is the leader.")
        self._available = gauge(
            "imagejob_namespace_available",
            "1 if the operator can read a watched namespace; the whole cluster has an empty name.",
            ["watched_namespace"],
        )
        text = "1 if the operator's own store can be listed."
        self._store_usable = gauge("imagejob_store_usable", text)
        name, text = "imagejob_unserved_jobs", "ImageJobs of other classes without a status for 30 seconds."
        self._unserved = gauge(name, text)
        self._depth = gauge("imagejob_workqueue_depth", "Number of keys waiting in a work queue.", ["queue"])
        self._reconciles = counter("imagejob_reconcile", "Reconciles of ImageJobs by result.", ["result"])
        self._reconcile_duration = histogram(
            "imagejob_reconcile_duration_seconds", "Duration of a reconcile."
        )
        self._finished = counter(
            "imagejob_finished", "Ended runs.", ["phase", "code", "reason", "cause", "job_namespace"]
        )
        name, text = "imagejob_phase_duration_seconds", "Time that runs spent in a phase."
        self._phase_seconds = histogram(name, text, ["phase"], buckets=_PHASE_BUCKETS)
        self._staged = counter("imagejob_staged_bytes", "Bytes copied into staging.")
        name, text = "imagejob_cleaning_deferred", "Finalizers released before staging was known to be empty."
        self._deferred = counter(name, text, ["reason", "store"])
        for reason, store in itertools.product(DEFERRALS, STORES):
            self._deferred.labels(reason.value, store)  # Prometheus does not see the increase of a new series
        name, text = "imagejob_event_loop_lag_seconds", "How late the event loop runs a periodic callback."
        self._loop_lag = histogram(name, text, buckets=_LAG_BUCKETS)
        name, text = "imagejob_event_errors", "Watch events that could not be processed, by kind."
        self._event_errors = counter(name, text, ["kind"])
        name, text = "imagejob_api_request_duration_seconds", "Duration of requests to the API server."
        self._api = histogram(name, text, ["verb", "resource", "code"])
        name, text = "imagejob_store_request_duration_seconds", "Duration of requests to object stores."
        self._store = histogram(name, text, ["operation", "result"])
        name, text = "imagejob_wait_seconds", "Time that work waited for its share of a limited resource."
        self._waits = histogram(name, text, ["limiter"], buckets=_WAIT_BUCKETS)

    def watch(
        self,
        jobs: Callable[[], Iterable[ImageJob]],
        is_leader: Callable[[], bool],
        queues: Iterable[WorkQueue] = (),
        sweeps: Callable[[], Iterable[tuple[StoreSweeps, float]]] = tuple,
    ) -> None:
        """Read these at each scrape. All replicas know the jobs; only the leader counts them."""
        self._leader.set_function(is_leader)
        for queue in queues:
            self._depth.labels(queue.name).set_function(partial(len, queue))
        self.registry.register(_JobsByPhase(lambda: jobs() if is_leader() else (), self._namespaces))
        self.registry.register(_GarbageByStore(lambda: sweeps() if is_leader() else ()))

    def watch_unserved(self, count: Callable[[], int]) -> None:
        """Read at each scrape how many jobs of other classes have had no status for long."""
        self._unserved.set_function(count)

    def namespace_available(self, name: str, available: bool) -> None:
        """A watched namespace was read, or could not be read."""
        self._available.labels(name).set(available)

    def store_usable(self, usable: bool) -> None:
        """The operator's own store was checked."""
        self._store_usable.set(usable)

    def reconcile(self, result: str, seconds: float) -> None:
        """See the port."""
        self._reconciles.labels(result).inc()
        self._reconcile_duration.observe(seconds)

    def moved(self, before: Status, job: ImageJob) -> None:
        """See the port."""
        after = job.status
        if before.phase and before.phase_since and after.phase_since:
            span = (after.phase_since - before.phase_since).total_seconds()
            self._phase_seconds.labels(before.phase).observe(max(0.0, span))
        if after.at in TERMINAL:
            error, outcome = after.error, after.run.outcome if after.run else ""
            code, reason = (error.code, error.reason) if error else ("", outcome)
            of = self._namespaces.of(job)
            self._finished.labels(after.phase, code, reason, _cause(job), of).inc()

    def staged(self, size: int) -> None:
        """See the port."""
        self._staged.inc(size)

    def deferred(self, job: ImageJob, reason: Reason) -> None:
        """See the port."""
        self._deferred.labels(reason.value, STORES[job.uses_image_store]).inc()

    def event_loop_lag(self, seconds: float) -> None:
        """The event loop ran a periodic callback so late."""
        self._loop_lag.observe(seconds)

    def event_failed(self, kind: str) -> None:
        """An event of a watch could not be processed."""
        self._event_errors.labels(kind).inc()

    def api_call(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """A request to the API server has ended; code 0 is no response."""
        self._api.labels(verb, resource, code).observe(seconds)

    def store_call(self, operation: str, result: str, seconds: float) -> None:
        """A request to an object store has ended."""
        self._store.labels(operation, result).observe(seconds)

    def waited(self, limiter: str, seconds: float) -> None:
        """Work has waited for a slot of a limiter; see fairness."""
        self._waits.labels(limiter).observe(seconds)


def _cause(job: ImageJob) -> str:
    """Who can fix the failure of a run: a `tenant`, or the administrator of the `installation`."""
    error = job.status.error
    if error is None:
        return ""
    tenants = {Fault.USER, Fault.IMAGE} | ({Fault.STORAGE} if job.uses_image_store else set())
    return "tenant" if error.fault in tenants else "installation"


class _GarbageByStore(Collector):
    """What the sweeps of every store left, read at each scrape; a store that is gone has no series."""

    def __init__(self, sweeps: Callable[[], Iterable[tuple[StoreSweeps, float]]]) -> None:
        self._sweeps = sweeps

    def collect(self) -> Iterable[Metric]:
        """Every metric, with the store as label."""
        stores = list(self._sweeps())

        def family(kind: type[F], name: str, text: str, value: Callable[[StoreSweeps], float]) -> F:
            found = kind(f"imagejob_{name}", text, labels=["store"])
            for sweeps, _ in stores:
                found.add_metric([sweeps.name], value(sweeps))
            return found

        gauge, counter = partial(family, GaugeMetricFamily), partial(family, CounterMetricFamily)
        text = "Number of orphaned staging folders that the last sweep did not delete."
        yield gauge("orphan_prefixes", text, lambda sweeps: sweeps.left.prefixes)
        text = "Number of objects in orphaned staging folders."
        yield gauge("orphan_objects", text, lambda sweeps: sweeps.left.objects)
        text = "Total size in bytes of the objects in orphaned staging folders."
        yield gauge("orphan_bytes", text, lambda sweeps: sweeps.left.bytes)
        text = "Seconds since the last write to the oldest orphaned staging folder."
        yield gauge("orphan_oldest_seconds", text, lambda sweeps: sweeps.left.oldest.total_seconds())
        text = "Number of orphaned objects that are too recent to be deleted."
        yield gauge("orphan_waiting_objects", text, lambda sweeps: sweeps.left.waiting)
        text = "Keys and folders in the installation's own staging that the operator did not write."
        yield gauge("staging_unknown_prefixes", text, lambda sweeps: sweeps.left.unknown)
        text = "Objects deleted by the garbage collector."
        yield counter("garbage_deleted_objects", text, lambda sweeps: sweeps.deleted_objects)
        text = "Number of sweeps that failed, and of folders that a sweep failed to process."
        yield counter("garbage_sweep_errors", text, lambda sweeps: sweeps.failures)
        name, text = (
            "imagejob_staging_foreign_prefixes",
            "Staging folders of other clusters and installations.",
        )
        foreign = GaugeMetricFamily(name, text, labels=["store", "cluster"])
        name, text = (
            "imagejob_garbage_sweep_age_seconds",
            "Seconds since the last completed sweep of a store.",
        )
        ages = GaugeMetricFamily(name, text, labels=["store"])
        for sweeps, age in stores:
            own = len(sweeps.left.installations)
            foreign.add_metric([sweeps.name, "own"], own)
            foreign.add_metric([sweeps.name, "other"], sweeps.left.foreign - own)
            ages.add_metric([sweeps.name], age)
        yield foreign
        yield ages


class _JobsByPhase(Collector):
    """Counts the jobs at each scrape."""

    def __init__(self, jobs: Callable[[], Iterable[ImageJob]], namespaces: NamespaceLabels) -> None:
        self._jobs = jobs
        self._namespaces = namespaces

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The jobs by phase and code, and the age of the oldest that has not ended in each namespace."""
        by_phase: dict[tuple[str, str], int] = {}
        oldest: dict[str, float] = {}
        for job in self._jobs():
            status = job.status
            place = (status.at.value, status.error.code if status.error else "")
            by_phase[place] = by_phase.get(place, 0) + 1
            ended = status.at in TERMINAL or (status.run and status.run.finished_at)
            if not ended and status.at is not Phase.SUSPENDED:
                of, age = self._namespaces.of(job), _age(job, datetime.now(UTC)).total_seconds()
                oldest[of] = max(oldest.get(of, 0.0), age)
        jobs = GaugeMetricFamily("imagejob_jobs", "ImageJobs by phase and code.", labels=["phase", "code"])
        for labels, count in by_phase.items():
            jobs.add_metric(list(labels), count)
        yield jobs
        name = "imagejob_oldest_unfinished_seconds"
        text = (
            "Age of the oldest run that has not ended, without the time in which it was suspended or queued."
        )
        ages = GaugeMetricFamily(name, text, labels=["job_namespace"])
        for of, age in (oldest or {"": 0.0}).items():
            ages.add_metric([of], age)
        yield ages


def _age(job: ImageJob, now: datetime) -> timedelta:
    """How long the current run has been going on, without the time in which it was suspended or queued."""
    run, status = job.status.run, job.status
    begun = (run and run.counted_from) or status.phase_since or job.created_at or now
    held = now - run.queued_since if run and run.queued_since else timedelta()
    return now - begun - held
