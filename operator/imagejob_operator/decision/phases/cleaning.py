"""Emptying the staging: when it starts, how long it is waited for, and why it is deferred."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.action import Action, StopAttempt
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.operation import Broken, Clean, Cleaned, Progress, last_failure

CLOSED = (Reason.STORE_NOT_FOUND, Reason.STORE_NOT_READY)
"""The operator has no credentials for the store: its ImageStore is gone, or not ready."""
DEFERRALS = (
    *CLOSED,
    Reason.ACCESS_DENIED,
    Reason.BUCKET_NOT_FOUND,
    Reason.STORE_UNAVAILABLE,
    Reason.DEADLINE_EXCEEDED,
)
"""All reasons of a deferral; the last one is that cleaning took longer than its budget."""

FIRST_TRY = timedelta(seconds=10)
"""The least time that a cleaning gets, even if the budget was spent before this process started it."""
LAST_TRY = timedelta(hours=1)
"""How long after the budget a new process gets its first try: those before it may have died of theirs."""
RETRY_DEFERRED = timedelta(minutes=5)
"""How often a deferred cleaning is retried."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why the staging of a run could not be emptied in time."""

    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Cleaning:
    """A cleaning within its budget."""

    operation: Clean | None
    """None while live attempts may still end: they get half of the budget."""
    progress: Progress | None
    requeue_at: datetime
    deadline: datetime
    """When the budget is spent."""
    deferral: Deferral | None
    """Set when the budget is spent."""

    @property
    def done(self) -> Cleaned | None:
        """The result, if the staging is empty."""
        return self.progress if isinstance(self.progress, Cleaned) else None


def clean_within_budget(o: Observation, operation: Clean, since: datetime) -> Cleaning:
    """The cleaning of a job whose budget started at `since`."""
    progress = o.progress_of(operation)
    half, deadline = since + o.policy.cleaning_budget / 2, since + o.policy.cleaning_budget
    # The operator may have been down, and a deletion is timed by the API server's clock.
    if started := o.operation_since if o.operation == operation else o.now:
        deadline = max(deadline, min(started + FIRST_TRY, deadline + LAST_TRY))
    waits = any(a.live for a in o.attempts) and o.now < half
    moments = [o.now + RETRY_DEFERRED, *retry_moments(progress, o.now), *stop_moments(o)]
    moments += [moment for moment in ([half] if waits else []) + [deadline] if moment > o.now]
    return Cleaning(
        operation=None if waits else operation,
        progress=progress,
        requeue_at=min(moments),
        deadline=deadline,
        deferral=deferral(o, progress) if o.now >= deadline else None,
    )


def retry_moments(progress: Progress | None, now: datetime) -> list[datetime]:
    """When a failed operation is retried, if that is still to come."""
    retry_at = progress.retry_at if isinstance(progress, Broken) else None
    return [retry_at] if retry_at and retry_at > now else []


def stop_live(o: Observation) -> tuple[Action, ...]:
    """Stop every attempt that may still do something."""
    return stop(o, (a for a in o.attempts if a.live))


def stop_all(o: Observation) -> tuple[Action, ...]:
    """Stop every attempt, and remove those that have ended."""
    return stop(o, o.attempts)


def stop(o: Observation, attempts: Iterable[Attempt]) -> tuple[Action, ...]:
    """Stop these attempts; one whose deletion was refused is tried again after a pause."""
    due = (a for a in attempts if a.stop_refused is None or o.now >= a.stop_refused.retry_at)
    return tuple(StopAttempt(a) for a in due if not a.deleting)


def stop_moments(o: Observation) -> list[datetime]:
    """When refused deletions of attempts are tried again, if that is still to come."""
    moments = [a.stop_refused.retry_at for a in o.attempts if a.stop_refused]
    return [moment for moment in moments if moment > o.now]


def deferral(o: Observation, progress: Progress | None) -> Deferral:
    """Why the staging of a job could not be emptied."""
    failure = last_failure(progress)
    text = "the staged objects could not be deleted within the time allowed for the cleanup"
    if failure is None:
        return Deferral(Reason.DEADLINE_EXCEEDED, text)
    if failure.reason in CLOSED:
        first = "create one for the same bucket" if failure.reason is Reason.STORE_NOT_FOUND else "correct it"
        advice = f"{first}, or delete the objects, or rely on a lifecycle rule"
        return Deferral(failure.reason, f"{failure.message}, so {_leftovers(o)} cannot be deleted; {advice}")
    return Deferral(failure.reason, f"{text}: {failure.message}")


def _leftovers(o: Observation) -> str:
    run = o.job.status.run
    location = run.store.location if run and run.store else ""
    places = " and ".join(f"{location}{prefix}" for prefix in o.all_staged_prefixes)
    return f"the staged objects under {places}"
