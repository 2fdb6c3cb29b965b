"""Everything that the decision may know, and what it decides. No I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.imagestore_status import Readiness
from imagejob_operator.api.status import RunStatus, StagingStore, Status
from imagejob_operator.decision.action import Action
from imagejob_operator.decision.attempt import Attempt, Refusal, Remark
from imagejob_operator.decision.operation import Operation, Progress
from imagejob_operator.naming.prefixes import job_staging_prefix, report_key, staging_prefix

COUNT_EVERY = timedelta(seconds=5)
"""The least time in Running before the progress is read, and between two readings: short runs have none."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the administrator decided for all jobs."""

    staging_folder: str
    """The folder with the staging of this installation in this cluster."""
    cleaning_budget: timedelta = timedelta(seconds=60)
    """The longest time that cleaning may delay a terminal phase or a deletion."""
    start_grace: timedelta = timedelta(minutes=5)
    """How long a Pod may fail to start (image pull, configuration) and a store be unready."""
    requeue_after: timedelta = timedelta(minutes=5)
    """When a job under way is checked again if nothing happens before."""


@dataclass(frozen=True, slots=True)
class StoreView:
    """An ImageStore that a job names; without a readiness if it does not exist."""

    name: str
    uid: str = ""
    readiness: Readiness | None = None
    location: str = ""
    """Bucket and prefix of its staging, as a URL; empty while it is not open."""

    @property
    def failure(self) -> Failure | None:
        """Why it cannot be used; None if it can."""
        if self.readiness is None:
            text = f"there is no ImageStore {self.name!r} in this namespace; create it, or correct storeRef"
            return Failure(Code.CREATION, Reason.STORE_NOT_FOUND, text)
        if not self.readiness.ready:
            why = f"({self.readiness.reason}): {self.readiness.message}"
            text = f"the ImageStore {self.name!r} is not ready {why}"
            return Failure(Code.CREATION, Reason.STORE_NOT_READY, text)
        return None


@dataclass(frozen=True, slots=True)
class StoreViews:
    """The ImageStores of a job; None where it uses the operator's own store."""

    source: StoreView | None = None
    destination: StoreView | None = None

    @property
    def failure(self) -> Failure | None:
        """Why one of them cannot be used."""
        found = [view.failure for view in (self.source, self.destination) if view]
        return next(filter(None, found), None)

    @property
    def staging(self) -> StagingStore | None:
        """The ImageStore that the run is staged in; None for the operator's own store."""
        source = self.source
        return StagingStore(source.name, source.uid, source.location) if source else None


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the operator's store admits the job's namespace."""

    admitted: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One job and its surroundings at one instant."""

    now: datetime
    job: ImageJob
    policy: Policy
    admission: Admission | None = None
    """None while unknown; only read for Pending jobs that use the operator's own store."""
    stores: StoreViews = field(default_factory=StoreViews)
    """The ImageStores that the job names."""
    attempts: tuple[Attempt, ...] = ()
    results: Mapping[int, Summary] = field(default_factory=dict)
    """Shards whose result is known to be in the store, with their counts."""
    refusals: Mapping[int, Refusal] = field(default_factory=dict)
    """Shards whose attempt is not created."""
    remarks: Mapping[str, Remark] = field(default_factory=dict)
    """The newest Events of waiting attempts, by the attempt's uid."""
    finalizer_refused: Refusal | None = None
    """Why the API server does not accept our finalizer on the job; None if it did not refuse."""
    operation: Operation | None = None
    progress: Progress | None = None
    operation_since: datetime | None = None
    """When this process started the operation."""
    recorded: Mapping[str, int] = field(default_factory=dict)
    """How many times this process has recorded Events of the steps of the run, by reason."""
    store_away: str = ""
    """Why the store of the run does not answer; empty if it does."""
    count_every: timedelta = COUNT_EVERY
    """The least time between two readings of the progress of this job; longer if many jobs are running."""

    @property
    def report_key(self) -> str:
        """Key of the current run's report; empty without a run."""
        key, run = self.job.key, self.job.status.run
        return report_key(key.namespace, key.name, self.job.uid, run.number, run.uid) if run else ""

    def progress_of(self, operation: Operation) -> Progress | None:
        """The progress of an operation; None if it is not the one that runs."""
        return self.progress if self.operation == operation else None

    @property
    def staged_prefixes(self) -> tuple[str, ...]:
        """The prefix of the recorded staging; empty without one."""
        staging = self.job.status.staging
        return (staging.prefix,) if staging else ()

    @property
    def all_staged_prefixes(self) -> tuple[str, ...]:
        """The prefix of all runs, and the recorded one if it has an earlier name of the installation."""
        own = job_staging_prefix(self.policy.staging_folder, self.job.key.namespace, self.job.uid)
        return (own, *(prefix for prefix in self.staged_prefixes if not prefix.startswith(own)))

    @property
    def staged_prefix(self) -> str:
        """The prefix of the recorded staging; empty without one."""
        return "".join(self.staged_prefixes)

    def staging_prefix(self, run: RunStatus) -> str:
        """The staging prefix of a run, in its epoch."""
        folder, job = self.policy.staging_folder, self.job
        return staging_prefix(folder, job.key.namespace, job.uid, run.number, run.epoch, run.uid)

    def launched(self, run: RunStatus | None) -> bool:
        """Whether an attempt of a run, in its epoch, is known to have run."""
        if run is None or run.shards is None:
            return False
        own = self.job.status.run
        with_result = bool(self.results) and own is not None and own.place == run.place
        return with_result or any(a.ran and a.place == run.place for a in self.attempts)


@dataclass(frozen=True, slots=True)
class Decision:
    """The actions of this reconcile, the status to write after them, and when to reconcile again.

    Actions follow from the recorded status only. What the new status asks for is done in the next reconcile.
    """

    status: Status
    actions: tuple[Action, ...] = ()
    operation: Operation | None = None
    requeue_at: datetime | None = None
