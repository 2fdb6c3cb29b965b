"""Metrics that are read at each scrape: ImageJobs by phase, and the garbage of each store."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.garbage.schedule import StoreSweeps

F = TypeVar("F", GaugeMetricFamily, CounterMetricFamily)
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


class GarbageByStore(Collector):
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


class JobsByPhase(Collector):
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
