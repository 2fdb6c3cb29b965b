"""Everything that the decision may know, and what it decides. No I/O, no clock, no randomness."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_contract.result import Summary
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.status import RunStatus, Status
from imagejob_operator.decision.action import Action
from imagejob_operator.decision.attempt import Attempt, Refusal, Remark
from imagejob_operator.decision.operation import Operation, Progress
from imagejob_operator.decision.store_availability import StoreViews


@dataclass(frozen=True, slots=True)
class Policy:
    """What the administrator decided for all jobs."""

    staging_folder: str
    """The folder with the staging of this installation in this cluster."""
    cleaning_budget: timedelta = timedelta(seconds=60)
    """The longest time that cleaning may hold a terminal phase or a deletion."""
    start_grace: timedelta = timedelta(minutes=5)
    """How long a Pod that cannot start (image pull, configuration) may still get well."""
    requeue_at: timedelta = timedelta(minutes=5)
    """When a job on its way is looked at again if nothing happens before."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether the operator's store admits the job's namespace."""

    admitted: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """One job and its world at one instant."""

    now: datetime
    job: ImageJob
    policy: Policy
    admission: Admission | None = None
    """None while it is not known (asked only of Pending jobs that use the operator's own store)."""
    stores: StoreViews = field(default_factory=StoreViews)
    """The ImageStores that the job names."""
    attempts: tuple[Attempt, ...] = ()
    results: Mapping[int, Summary] = field(default_factory=dict)
    """Shards whose result is known to be in the store, with their counts."""
    refusals: Mapping[int, Refusal] = field(default_factory=dict)
    remarks: Mapping[str, Remark] = field(default_factory=dict)
    """What was said of waiting attempts when somebody asked, by their uid."""
    rejected: str = ""
    """Why the API server refuses our finalizer on the job as it is; empty if it did not."""
    operation: Operation | None = None
    progress: Progress | None = None
    operation_since: datetime | None = None
    """When this process began with the operation."""

    def launched(self, run: RunStatus | None) -> bool:
        """Whether an attempt of a run, in its epoch, is known to have run; a suspension has given that up."""
        if run is None or run.shards is None:
            return False
        place = (run.number, run.epoch)
        own = self.job.status.run
        with_result = bool(self.results) and own is not None and (own.number, own.epoch) == place
        return with_result or any(a.ran and (a.run, a.epoch) == place for a in self.attempts)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, what to say, and when to look again.

    Actions are carried out first and rest on what the recorded status already says; then the status is
    written, if it differs. What it newly says is acted upon in the next turn.
    """

    status: Status
    actions: tuple[Action, ...] = ()
    operation: Operation | None = None
    requeue_at: datetime | None = None
