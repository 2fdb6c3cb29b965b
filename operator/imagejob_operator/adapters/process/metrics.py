"""Prometheus metrics of the operator."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from imagejob_operator.adapters.process.metric_collectors import GarbageByStore, JobsByPhase, NamespaceLabels
from imagejob_operator.api.errors import Fault, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.api.status import ItemCounts, Status
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.decision.phases.cleaning import DEFERRALS
from imagejob_operator.garbage.schedule import StoreSweeps

_CALL_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_WAIT_BUCKETS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 1800)
_START_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800)
_LAG_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
ITEM_RESULTS = ("succeeded", "failed", "skipped")
STORES = ("default", "imagestore")
"""Label of counters that must not grow with the number of ImageStores."""
_PHASE_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


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
        name, text = "imagejob_workqueue_queue_duration_seconds", "Time that keys waited in a work queue."
        self._queued = histogram(name, text, ["queue"])
        name, text = (
            "imagejob_watch_lag_seconds",
            "Time for which a listed version was not delivered.",
        )
        self._watch_lag = gauge(name, text)
        name, text = "imagejob_watch_checked_age_seconds", "Time since the watches were compared with a list."
        self._watch_checked = gauge(name, text)
        self._reconciles = counter("imagejob_reconcile", "Reconciles of ImageJobs by result.", ["result"])
        self._reconcile_duration = histogram(
            "imagejob_reconcile_duration_seconds", "Duration of a reconcile."
        )
        self._finished = counter(
            "imagejob_finished", "Ended runs.", ["phase", "code", "reason", "cause", "job_namespace"]
        )
        name, text = "imagejob_phase_duration_seconds", "Time that runs spent in a phase."
        self._phase_seconds = histogram(name, text, ["phase"], buckets=_PHASE_BUCKETS)
        name, text = "imagejob_items", "Items of ended runs: succeeded, failed or skipped."
        self._items = counter(name, text, ["result"])
        name, text = (
            "imagejob_pod_start_seconds",
            "Time from the creation of a Pod to its start.",
        )
        self._pod_start = histogram(name, text, buckets=_START_BUCKETS)
        self._staged = counter("imagejob_staged_bytes", "Bytes copied into staging.")
        name, text = "imagejob_cleaning_deferred", "Finalizers released before staging was known to be empty."
        self._deferred = counter(name, text, ["reason", "store"])
        for reason, store in itertools.product(DEFERRALS, STORES):
            self._deferred.labels(reason.value, store)  # Prometheus does not see the increase of a new series
        name, text = "imagejob_event_loop_lag_seconds", "How late the event loop runs a periodic callback."
        self._loop_lag = histogram(name, text, buckets=_LAG_BUCKETS)
        name, text = "imagejob_notifications", "Events of ended runs for the event sink, sent or dropped."
        self._notifications = counter(name, text, ["result"])
        name, text = "imagejob_traces", "Traces of ended runs for the collector, sent or dropped."
        self._traces = counter(name, text, ["result"])
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
        self.registry.register(JobsByPhase(lambda: jobs() if is_leader() else (), self._namespaces))
        self.registry.register(GarbageByStore(lambda: sweeps() if is_leader() else ()))

    def watch_lag(self, lag: Callable[[], float], checked_age: Callable[[], float]) -> None:
        """Read at each scrape how far the watches are behind, and when that was checked; both in seconds."""
        self._watch_lag.set_function(lag)
        self._watch_checked.set_function(checked_age)

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
            items = after.items or ItemCounts()
            for result in ITEM_RESULTS:
                self._items.labels(result).inc(getattr(items, result))

    def attempt_changed(self, before: Attempt, after: Attempt) -> None:
        """A watch delivered a new state of a Pod; its start is known when its processor has ended."""
        if before.started_at is None and after.started_at is not None and not after.gone:
            self._pod_start.observe(max(0.0, (after.started_at - after.created_at).total_seconds()))

    def queued(self, queue: str, seconds: float) -> None:
        """A key was taken from a work queue, and had waited so long."""
        self._queued.labels(queue).observe(seconds)

    def staged(self, size: int) -> None:
        """See the port."""
        self._staged.inc(size)

    def deferred(self, job: ImageJob, reason: Reason) -> None:
        """See the port."""
        self._deferred.labels(reason.value, STORES[job.uses_image_store]).inc()

    def event_loop_lag(self, seconds: float) -> None:
        """The event loop ran a periodic callback so late."""
        self._loop_lag.observe(seconds)

    def notified(self, result: str) -> None:
        """The event of a run was sent or dropped."""
        self._notifications.labels(result).inc()

    def traced(self, result: str, traces: int) -> None:
        """The traces of so many runs were sent or dropped."""
        self._traces.labels(result).inc(traces)

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
