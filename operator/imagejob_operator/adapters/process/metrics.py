"""Prometheus metrics of the operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.status import Status
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.garbage import Orphans
from imagejob_operator.decision.phases.cleaning import DEFERRALS

_CALL_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PHASE_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


class Metrics:
    """All metrics of one operator, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.garbage = GarbageMetrics(self.registry)
        counter, gauge = partial(Counter, registry=self.registry), partial(Gauge, registry=self.registry)
        histogram = partial(Histogram, registry=self.registry, buckets=_CALL_BUCKETS)
        self._leader = gauge("imagejob_leader", "1 if this replica is the leader.")
        self._depth = gauge("imagejob_workqueue_depth", "Number of keys waiting in a work queue.", ["queue"])
        self._reconciles = counter("imagejob_reconcile", "Reconciles of ImageJobs by result.", ["result"])
        self._reconcile_duration = histogram(
            "imagejob_reconcile_duration_seconds", "Duration of a reconcile."
        )
        self._finished = counter("imagejob_finished", "Ended runs.", ["phase", "code", "reason"])
        name, text = "imagejob_phase_duration_seconds", "Time that runs spent in a phase."
        self._phase_seconds = histogram(name, text, ["phase"], buckets=_PHASE_BUCKETS)
        self._staged = counter("imagejob_staged_bytes", "Bytes copied into staging.")
        name, text = "imagejob_cleaning_deferred", "Finalizers released before staging was known to be empty."
        self._deferred = counter(name, text, ["reason"])
        for reason in DEFERRALS:
            self._deferred.labels(reason.value)  # Prometheus does not see the increase of a new series
        name, text = "imagejob_event_loop_lag_seconds", "How late the event loop runs a periodic callback."
        self._loop_lag = histogram(name, text, buckets=_LAG_BUCKETS)
        name, text = "imagejob_event_errors", "Watch events that could not be processed, by kind."
        self._event_errors = counter(name, text, ["kind"])
        name, text = "imagejob_api_request_duration_seconds", "Duration of requests to the API server."
        self._api = histogram(name, text, ["verb", "resource", "code"])
        name, text = "imagejob_store_request_duration_seconds", "Duration of requests to object stores."
        self._store = histogram(name, text, ["operation", "result"])
        name, text = "imagejob_wait_seconds", "Time that work waited for its share of a limited resource."
        self._waits = histogram(name, text, ["limiter"])

    def watch(
        self,
        jobs: Callable[[], Iterable[ImageJob]],
        is_leader: Callable[[], bool],
        queues: Iterable[WorkQueue] = (),
    ) -> None:
        """Read these at each scrape. All replicas know the jobs; only the leader counts them."""
        self._leader.set_function(is_leader)
        for queue in queues:
            self._depth.labels(queue.name).set_function(partial(len, queue))
        self.registry.register(_JobsByPhase(lambda: jobs() if is_leader() else ()))

    def reconcile(self, result: str, seconds: float) -> None:
        """See the port."""
        self._reconciles.labels(result).inc()
        self._reconcile_duration.observe(seconds)

    def moved(self, before: Status, after: Status) -> None:
        """See the port."""
        if before.phase and before.phase_since and after.phase_since:
            span = (after.phase_since - before.phase_since).total_seconds()
            self._phase_seconds.labels(before.phase).observe(max(0.0, span))
        if after.at in TERMINAL:
            error, outcome = after.error, after.run.outcome if after.run else ""
            self._finished.labels(
                after.phase, error.code if error else "", error.reason if error else outcome
            ).inc()

    def staged(self, size: int) -> None:
        """See the port."""
        self._staged.inc(size)

    def deferred(self, reason: Reason) -> None:
        """See the port."""
        self._deferred.labels(reason.value).inc()

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


class GarbageMetrics:
    """Metrics of the garbage collector; see the port GarbageTelemetry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"imagejob_{name}", text, registry=registry)

        self._prefixes = gauge(
            "orphan_prefixes", "Number of orphaned staging folders that the last sweep did not delete."
        )
        self._objects = gauge("orphan_objects", "Number of objects in orphaned staging folders.")
        self._bytes = gauge("orphan_bytes", "Total size in bytes of the objects in orphaned staging folders.")
        self._oldest = gauge(
            "orphan_oldest_seconds", "Seconds since the last write to the oldest orphaned staging folder."
        )
        self._waiting = gauge(
            "orphan_waiting_objects", "Number of orphaned objects that are too recent to be deleted."
        )
        self._unknown = gauge(
            "staging_unknown_prefixes",
            "Keys and folders in the installation's own staging that the operator did not write.",
        )
        self._foreign = gauge(
            "staging_foreign_prefixes", "Staging folders of other clusters and installations."
        )
        self._last = gauge(
            "garbage_last_sweep_timestamp_seconds", "Unix time when the last complete sweep ended."
        )
        self._deleted = Counter(
            "imagejob_garbage_deleted_objects", "Objects deleted by the garbage collector.", registry=registry
        )
        self._errors = Counter(
            "imagejob_garbage_sweep_errors",
            "Number of sweeps that failed, and of folders that a sweep failed to process.",
            registry=registry,
        )

    def deleted(self, objects: int) -> None:
        """See the port."""
        self._deleted.inc(objects)

    def sweep_finished(self, left: Orphans) -> None:
        """See the port."""
        self._prefixes.set(left.prefixes)
        self._objects.set(left.objects)
        self._bytes.set(left.bytes)
        self._oldest.set(left.oldest.total_seconds())
        self._waiting.set(left.waiting)
        self._unknown.set(left.unknown)
        self._foreign.set(left.foreign)
        self._last.set_to_current_time()

    def sweep_failed(self) -> None:
        """See the port."""
        self._errors.inc()


class _JobsByPhase(Collector):
    """Counts the jobs at each scrape."""

    def __init__(self, jobs: Callable[[], Iterable[ImageJob]]) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The jobs by phase and code, and the age of the oldest that has not ended."""
        by_phase: dict[tuple[str, str], int] = {}
        oldest = 0.0
        for job in self._jobs():
            status = job.status
            place = (status.at.value, status.error.code if status.error else "")
            by_phase[place] = by_phase.get(place, 0) + 1
            begun = (status.run and status.run.counted_from) or job.created_at
            if status.at not in TERMINAL and status.at is not Phase.SUSPENDED and begun:
                oldest = max(oldest, (datetime.now(UTC) - begun).total_seconds())
        jobs = GaugeMetricFamily("imagejob_jobs", "ImageJobs by phase and code.", labels=["phase", "code"])
        for labels, count in by_phase.items():
            jobs.add_metric(list(labels), count)
        yield jobs
        yield GaugeMetricFamily(
            "imagejob_oldest_unfinished_seconds",
            "Age of the oldest run that has not ended; suspended runs and suspended time do not count.",
            value=oldest,
        )
