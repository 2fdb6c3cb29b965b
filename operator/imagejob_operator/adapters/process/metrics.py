"""What the operator counts, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.status import Status
from imagejob_operator.decision.orphans import Orphans
from imagejob_operator.decision.phases.cleaning import DEFERRALS

_CALL_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_PHASE_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


class Metrics:
    """All metrics of one operator, in a registry of their own."""

    def __init__(self, jobs: Callable[[], Iterable[ImageJob]]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_JobsByPhase(jobs))
        self.sweep = SweepMetrics(self.registry)
        self._leader = Gauge("imagejob_leader", "1 if this replica is in charge.", registry=self.registry)
        self._turns = Counter("imagejob_turns", "Turns by result.", ["result"], registry=self.registry)
        self._turn_seconds = Histogram(
            "imagejob_turn_seconds", "Duration of a turn.", buckets=_CALL_BUCKETS, registry=self.registry
        )
        self._finished = Counter(
            "imagejob_finished", "Ended runs.", ["phase", "code", "reason"], registry=self.registry
        )
        self._phase_seconds = Histogram(
            "imagejob_phase_seconds",
            "Time that runs spent in a phase.",
            ["phase"],
            buckets=_PHASE_BUCKETS,
            registry=self.registry,
        )
        self._staged = Counter("imagejob_staged_bytes", "Bytes copied into staging.", registry=self.registry)
        self._deferred = Counter(
            "imagejob_cleaning_deferred",
            "Finalizers released before staging was known to be empty.",
            ["reason"],
            registry=self.registry,
        )
        for reason in DEFERRALS:
            self._deferred.labels(reason.value)  # an increase from nothing would not be seen
        self._api = Histogram(
            "imagejob_api_call_seconds",
            "Calls to the API server.",
            ["verb", "resource", "code"],
            buckets=_CALL_BUCKETS,
            registry=self.registry,
        )
        self._store = Histogram(
            "imagejob_store_call_seconds",
            "Calls to the object store.",
            ["operation", "outcome"],
            buckets=_CALL_BUCKETS,
            registry=self.registry,
        )

    def watch_leader(self, is_leader: Callable[[], bool]) -> None:
        """Have `is_leader` say, whenever somebody asks, whether this replica is in charge."""
        self._leader.set_function(is_leader)

    def reconcile(self, result: str, seconds: float) -> None:
        """See the port."""
        self._turns.labels(result).inc()
        self._turn_seconds.observe(seconds)

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

    def api_call(self, verb: str, resource: str, code: str, seconds: float) -> None:
        """One call to the API server has ended; code 0: there was no answer."""
        self._api.labels(verb, resource, code).observe(seconds)

    def store_call(self, operation: str, outcome: str, seconds: float) -> None:
        """One call to the store has ended."""
        self._store.labels(operation, outcome).observe(seconds)


class SweepMetrics:
    """What the garbage collector counts; see the port SweepTelemetry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"imagejob_{name}", text, registry=registry)

        self._prefixes = gauge(
            "orphan_prefixes", "Folders of staging that the last sweep should have deleted."
        )
        self._objects = gauge("orphan_objects", "Objects in them.")
        self._bytes = gauge("orphan_bytes", "Bytes in them.")
        self._oldest = gauge("orphan_oldest_seconds", "Time since the oldest of them was last written to.")
        self._waiting = gauge("orphan_waiting_objects", "Objects of garbage that is not yet old enough.")
        self._unknown = gauge(
            "staging_unknown_prefixes",
            "Keys and folders in the installation's own staging that the operator did not write.",
        )
        self._foreign = gauge(
            "staging_foreign_prefixes", "Staging folders of other clusters and installations."
        )
        self._last = gauge("last_sweep_timestamp_seconds", "When a sweep last came to its end.")
        self._swept = Counter("imagejob_swept_objects", "Objects that were swept.", registry=registry)
        self._errors = Counter(
            "imagejob_sweep_errors",
            "Sweeps, or single folders, given up until the next one.",
            registry=registry,
        )

    def swept(self, objects: int) -> None:
        """See the port."""
        self._swept.inc(objects)

    def orphans(self, left: Orphans) -> None:
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
    """Counts the jobs as they stand when somebody asks."""

    def __init__(self, jobs: Callable[[], Iterable[ImageJob]]) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The jobs by phase and code, and the age of the oldest that should end some day."""
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
            "Age of the oldest run that has not ended, without suspended ones and suspended time.",
            value=oldest,
        )
