"""The sweeper: what a forced release, a crash or a zombie Pod left in staging goes in the end.

The order is the proof (docs/decisions/0005-sweeper.md): staging is listed first, then all ImageJobs, then
each owner is looked at, and nothing is deleted on the word of anything that was seen before the listing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from imagejob_operator.core.job import Key
from imagejob_operator.core.ownership import Standing
from imagejob_operator.core.staging import MAX_MANIFEST_BYTES, manifest_key
from imagejob_operator.core.sweep import (
    GARBAGE,
    SHORTEST_AGE,
    Contents,
    Finding,
    Mode,
    Owner,
    StagedJob,
    StagedRun,
    Unknown,
    count_orphans,
    installation_prefix,
    judge,
    judge_owner,
    parse_job_folder,
    parse_run_key,
    urls_end,
)
from imagejob_operator.loop.concurrency import for_each
from imagejob_operator.loop.identity import OwnerGuard
from imagejob_operator.ports.jobs import JobsError
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
from imagejob_operator.ports.telemetry import SweepTelemetry

log = logging.getLogger(__name__)

AT_ONCE = 8
"""Folders examined at the same time: the sweeper is in no hurry and leaves the store to the jobs."""


@dataclass(frozen=True, slots=True)
class SweepPolicy:
    """What the administrator decided."""

    installation: str
    instance: str
    mode: Mode = Mode.DELETE
    interval: float = 900.0
    """Seconds from the beginning of one sweep to that of the next; no sweep takes longer."""
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What one sweep knows before it looks at a folder."""

    clock: datetime
    uids: Mapping[str, Key]
    deleting: bool


class Sweeper:
    """Sweeps one installation's staging, again and again."""

    def __init__(
        self,
        store: ObjectStore,
        owners: Owners,
        telemetry: SweepTelemetry,
        clock: Callable[[], datetime],
        policy: SweepPolicy,
        gate: Gate = always_open,
    ) -> None:
        self._store = store
        self._owners = owners
        self._telemetry = telemetry
        self._clock = clock
        self._policy = policy
        self._gate = gate
        self._guard = OwnerGuard(store, policy.installation, policy.instance, clock, gate)

    async def sweep(self) -> bool:
        """Sweep once; whether there was nothing at all in staging.

        Whatever fails is tried again at the next sweep; nothing is raised.
        """
        if not self._gate():
            self._guard.let_go()
            return False
        try:
            async with asyncio.timeout(self._policy.interval):
                return await self._sweep()
        except Halted:
            log.info("the sweep was ended: somebody else is in charge now")
        except (StoreError, JobsError, TimeoutError) as error:
            self._telemetry.sweep_failed()
            log.warning("the sweep was given up until the next one", extra={"error": _said(error)})
        except Exception:
            self._telemetry.sweep_failed()
            log.exception("the sweep failed unexpectedly")
        return False

    async def _sweep(self) -> bool:
        renewal = await self._guard.renew(await self._owners.cluster())
        self._telemetry.identity(renewal.standing is Standing.SHARED)
        if self._policy.mode is Mode.OFF:
            return False
        # First what lies in staging, then who is there: never the other way round.
        folders, foreign = await self._list_jobs()
        uids = await self._owners.uids(self._policy.namespaces)
        deleting = (
            self._policy.mode is Mode.DELETE
            and renewal.standing is Standing.SOLE
            and await self._guard.still_held()
        )
        # Only what may delete needs the store's own clock, and that has just written the owner object.
        sweep = _Sweep(renewal.clock or self._clock(), uids, deleting)

        async def examine(job: StagedJob) -> tuple[list[Finding], int]:
            return await self._examine(sweep, job)

        answers = await for_each(folders, examine, AT_ONCE)
        findings = [finding for found, _ in answers for finding in found]
        left = count_orphans(findings, foreign + sum(strangers for _, strangers in answers), sweep.clock)
        self._telemetry.orphans(left)
        if left.prefixes:
            first = [f"{finding.run.prefix}: {finding.why}" for finding in findings if finding.due][:5]
            log.warning(
                "%d folders of staging are garbage and were left",
                left.prefixes,
                extra={"objects": left.objects, "bytes": left.bytes, "deleting": deleting, "first": first},
            )
        return not folders and not foreign

    async def _list_jobs(self) -> tuple[list[StagedJob], int]:
        """The folders of jobs, and how many folders are none of ours."""
        root = installation_prefix(self._policy.installation)
        jobs: list[StagedJob] = []
        foreign = 0
        for namespace in [folder async for folder in self._store.folders(root)]:
            async for folder in self._store.folders(namespace):
                job = parse_job_folder(self._policy.installation, folder)
                if job:
                    jobs.append(job)
                else:
                    foreign += 1
        return jobs, foreign

    async def _examine(self, sweep: _Sweep, job: StagedJob) -> tuple[list[Finding], int]:
        runs: dict[StagedRun, Contents] = {}
        foreign = 0
        async for stored in self._store.walk(job.prefix):
            run = parse_run_key(job, stored.key)
            if run is None:
                foreign += 1
                continue
            known = runs.get(run) or Contents(0, 0, stored.modified_at)
            runs[run] = known.plus(stored.size, stored.modified_at)
        if not runs:
            return [], foreign
        if job.uid in sweep.uids and all(
            sweep.clock - contents.newest <= SHORTEST_AGE for contents in runs.values()
        ):
            return [], foreign  # whatever its owner says, it is not yet time: nobody need be asked
        owner = await self._look(sweep, job)
        return [await self._settle(sweep, run, contents, owner) for run, contents in runs.items()], foreign

    def _watched(self, job: StagedJob) -> bool:
        return not self._policy.namespaces or job.namespace in self._policy.namespaces

    async def _look(self, sweep: _Sweep, job: StagedJob) -> Owner | Unknown | None:
        """The owner as it is now, after all of its staging was listed; None if it is gone for good."""
        if not self._watched(job):
            return Unknown.UNKNOWN
        key = sweep.uids.get(job.uid)
        if key is None:
            return None
        if key.namespace != job.namespace:
            return Unknown.UNKNOWN
        found = await self._owners.look(key)
        # Another job of its name, or none: this one is gone, and its uid does not come back.
        return found[1] if found and found[0] == job.uid else None

    async def _settle(
        self, sweep: _Sweep, run: StagedRun, contents: Contents, owner: Owner | Unknown | None
    ) -> Finding:
        if judge_owner(run, owner) not in GARBAGE:
            return Finding(run, contents, judge_owner(run, owner))
        until = urls_end(await self._manifest(run), contents.newest)
        finding = Finding(run, contents, judge(run, contents, owner, sweep.clock, until))
        if not sweep.deleting or not finding.due:
            return finding
        try:
            deleted = await self._store.delete_prefix(run.prefix, self._gate)
        except StoreDenied as error:
            # One folder that cannot be deleted (a lock, a policy) must not keep all others.
            self._telemetry.sweep_failed()
            log.warning("staging cannot be swept", extra={"prefix": run.prefix, "error": str(error)})
            return finding
        self._telemetry.swept(deleted)
        log.info("staging was swept", extra={"prefix": run.prefix, "objects": deleted, "why": finding.why})
        return replace(finding, deleted=True)

    async def _manifest(self, run: StagedRun) -> bytes | None:
        try:
            return await self._store.read(manifest_key(run.prefix), MAX_MANIFEST_BYTES)
        except ObjectMissing:
            return None


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
