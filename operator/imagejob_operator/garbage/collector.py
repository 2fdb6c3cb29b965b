"""The garbage collector: deletes what a forced release, a crash or a zombie Pod left in staging.

The order is the proof (decision 5): staging is listed first, then all ImageJobs, then
each owner is read. Nothing is deleted because of something that was read before the listing. Folders of other
clusters and installations are counted, and never listed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import (
    GARBAGE,
    SHORTEST_AGE,
    UNKNOWN_OWNER,
    Contents,
    Finding,
    Mode,
    Orphans,
    Owner,
    StagedJob,
    StagedRun,
    clock_key,
    count_orphans,
    judge,
    judge_owner,
    parse_job_folder,
    parse_run_key,
    total,
    urls_end,
)
from imagejob_operator.documents.staging import MAX_MANIFEST_BYTES, manifest_key
from imagejob_operator.garbage.reports import ReportCollector
from imagejob_operator.namespaces import WatchedNamespaces, covers
from imagejob_operator.naming.names import STAGING_ROOT
from imagejob_operator.naming.prefixes import installation_of, own_staging_prefix
from imagejob_operator.operations.concurrency import for_each, in_pages
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.object_store import (
    Gate,
    Halted,
    ObjectMissing,
    ObjectStore,
    StoreDenied,
    StoreError,
    always_open,
)
from imagejob_operator.ports.owners import Owners
from imagejob_operator.ports.telemetry import GarbageTelemetry

log = logging.getLogger(__name__)

CONCURRENCY = 8
"""Folders examined at the same time; few, to leave the store to jobs."""

PAGE = 1000
"""Folders of ImageJobs that are swept together, and held in memory."""
MAX_INSTALLATIONS = 100
"""Other installations that a sweep names; a tenant may write any number of folders into its bucket."""
MAX_RUNS = 100
"""Runs of one ImageJob that are examined; further ones are when these were deleted."""

CLOCK_TEXT = b"Written at each sweep: its modification time is the time of the store.\n"


@dataclass(frozen=True, slots=True)
class GarbagePolicy:
    """Settings of the garbage collector."""

    staging_folder: str
    """The staging folder of this installation in this cluster."""
    mode: Mode = Mode.DELETE
    interval: float = 900.0
    """Seconds from the start of one sweep to the start of the next; a longer sweep is cancelled."""
    report_retention: timedelta | None = None
    """How long the reports of a deleted ImageJob are kept; None keeps them indefinitely."""


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What one sweep knows before it examines a folder."""

    now: datetime
    """By the store's clock."""
    uids: Mapping[str, Key]
    listed: Collection[str]
    """The namespaces whose ImageJobs were listed."""


@dataclass(frozen=True)
class GarbageCollector:
    """Sweeps the staging of one installation in one store."""

    store: ObjectStore
    owners: Owners
    telemetry: GarbageTelemetry
    policy: GarbagePolicy
    gate: Gate = always_open
    namespaces: WatchedNamespaces = field(default_factory=WatchedNamespaces)

    async def sweep(self) -> Orphans | None:
        """Sweep once; what is left, or None if the sweep was skipped or failed. Nothing is raised."""
        if self.policy.mode is Mode.OFF or not self.gate():
            return None
        try:
            async with asyncio.timeout(self.policy.interval):
                return await self._sweep()
        except Halted:
            log.info(
                "sweep stopped: this replica is no longer the leader", extra={"store": self.telemetry.name}
            )
        except (StoreError, JobsError, TimeoutError) as error:
            self.telemetry.sweep_failed()
            # Not a warning: a store may start later than the operator. An alert counts the time.
            extra = {"store": self.telemetry.name, "error": str(error) or type(error).__name__}
            log.info("sweep not completed, trying again in %.0f s", self.policy.interval, extra=extra)
        except Exception:
            self.telemetry.sweep_failed()
            log.exception("sweep failed unexpectedly", extra={"store": self.telemetry.name})
        return None

    async def _sweep(self) -> Orphans:
        others = await self._count_others()
        swept = [
            await self._sweep_page([job for job in page if job], page.count(None))
            async for page in in_pages(self._list_folders(), PAGE)
        ]
        if self.policy.report_retention is not None and self.policy.mode is Mode.DELETE:
            await self._sweep_reports(self.policy.report_retention)
        return replace(total(swept), foreign=others.foreign, installations=others.installations)

    async def _sweep_reports(self, retention: timedelta) -> None:
        folder = self.policy.staging_folder
        reports = ReportCollector(
            self.store, self.owners, self.telemetry, folder, retention, self.gate, self.namespaces
        )
        await reports.sweep(await self._read_clock())

    async def _sweep_page(self, jobs: list[StagedJob], unknown: int) -> Orphans:
        """Sweep some folders, after they were listed: staging first, then the owners, never the other way."""
        if not jobs:
            return Orphans(unknown=unknown)
        listed = await self.namespaces.each(self.owners.uids)
        uids = {uid: key for found in listed.values() for uid, key in found.items()}
        sweep = _Sweep(await self._read_clock(), uids, listed.keys())

        async def examine(job: StagedJob) -> tuple[list[Finding], int]:
            return await self._examine(sweep, job)

        answers = await for_each(jobs, examine, CONCURRENCY)
        findings = [finding for found, _ in answers for finding in found]
        left = replace(
            count_orphans(findings, sweep.now),
            jobs=len(jobs),
            unknown=unknown + sum(unknown_objects for _, unknown_objects in answers),
        )
        if left.prefixes:
            first = [f"{finding.run.prefix}: {finding.verdict}" for finding in findings if finding.due][:5]
            extra = {"store": self.telemetry.name, "objects": left.objects, "bytes": left.bytes}
            extra |= {"mode": self.policy.mode, "first": first}
            log.warning("%d orphaned staging folders were not deleted", left.prefixes, extra=extra)
        return left

    async def _count_others(self) -> Orphans:
        """The staging folders of other clusters and installations."""
        folder = self.policy.staging_folder
        foreign, installations = 0, set[str]()
        async for one in self.store.folders(f"{STAGING_ROOT}/"):
            if one == own_staging_prefix(folder):
                continue
            foreign += 1
            if (name := installation_of(one, folder)) and len(installations) < MAX_INSTALLATIONS:
                installations.add(name)
        return Orphans(foreign=foreign, installations=tuple(sorted(installations)))

    async def _list_folders(self) -> AsyncIterator[StagedJob | None]:
        """The folders of jobs; None is a folder that the operator did not write."""
        async for namespace in self.store.folders(own_staging_prefix(self.policy.staging_folder)):
            async for folder in self.store.folders(namespace):
                yield parse_job_folder(self.policy.staging_folder, folder)

    async def _read_clock(self) -> datetime:
        """The time by the store's clock: the modification time of an object that is written now."""
        key = clock_key(self.policy.staging_folder)
        await self.store.put(key, CLOCK_TEXT, "text/plain")
        return (await self.store.stat(key)).modified_at

    async def _examine(self, sweep: _Sweep, job: StagedJob) -> tuple[list[Finding], int]:
        try:
            runs, unknown = await self._list_runs(job)
        except StoreDenied as error:
            # A folder that cannot be listed must not block the others.
            self.telemetry.sweep_failed()
            extra = {"store": self.telemetry.name, "uid": job.uid, "prefix": job.prefix, "error": str(error)}
            log.warning("cannot list staging", extra=extra)
            return [], 0
        if not runs:
            return [], unknown
        if job.uid in sweep.uids and all(
            sweep.now - contents.newest <= SHORTEST_AGE for contents in runs.values()
        ):
            return [], unknown  # too young to delete, whatever its owner is
        owner = await self._read_owner(sweep, job)
        return [await self._settle(sweep, run, contents, owner) for run, contents in runs.items()], unknown

    async def _list_runs(self, job: StagedJob) -> tuple[dict[StagedRun, Contents], int]:
        """The runs that have staging, and how many objects belong to none."""
        runs: dict[StagedRun, Contents] = {}
        unknown = 0
        async for stored in self.store.walk(job.prefix):
            run = parse_run_key(job, stored.key)
            if run is None:
                unknown += 1
                continue
            if run not in runs and len(runs) == MAX_RUNS:
                break  # keys are in order, so the runs before it are complete
            known = runs.get(run) or Contents(0, 0, stored.modified_at)
            runs[run] = known.plus(stored.size, stored.modified_at)
        return runs, unknown

    async def _read_owner(self, sweep: _Sweep, job: StagedJob) -> Owner | None:
        """The owner now, after all of its staging was listed; None if it is gone for good."""
        if not any(covers(name, job.namespace) for name in sweep.listed):
            return UNKNOWN_OWNER
        key = sweep.uids.get(job.uid)
        if key is None:
            return None
        if key.namespace != job.namespace:
            return UNKNOWN_OWNER
        found = await self.owners.get(key)
        # Another job with its name, or none: uids are never reused, so this one is gone.
        return found[1] if found and found[0] == job.uid else None

    async def _settle(
        self, sweep: _Sweep, run: StagedRun, contents: Contents, owner: Owner | None
    ) -> Finding:
        verdict = judge_owner(run, owner)
        if verdict not in GARBAGE:
            return Finding(run, contents, verdict)
        until = urls_end(await self._manifest(run), contents.newest)
        finding = Finding(run, contents, judge(run, contents, owner, sweep.now, until))
        if self.policy.mode is not Mode.DELETE or not finding.due:
            return finding
        try:
            deleted = await self.store.delete_prefix(run.prefix, self.gate)
        except StoreDenied as error:
            # A folder that cannot be deleted (a lock, a policy) must not block the others.
            self.telemetry.sweep_failed()
            log.warning("cannot delete staging", extra={**self._about(run), "error": str(error)})
            return finding
        self.telemetry.deleted(deleted)
        extra = {**self._about(run), "objects": deleted, "reason": finding.verdict}
        log.info("deleted orphaned staging", extra=extra)
        return replace(finding, deleted=True)

    def _about(self, run: StagedRun) -> dict[str, str]:
        return {"store": self.telemetry.name, "uid": run.job.uid, "prefix": run.prefix}

    async def _manifest(self, run: StagedRun) -> bytes | None:
        try:
            return await self.store.read(manifest_key(run.prefix), MAX_MANIFEST_BYTES)
        except ObjectMissing:
            return None
