"""Pods whose processor has ended, and whose injected containers have not: they are deleted.

The attempt has ended with its processor, so nothing waits for the Pod. Its other containers can be stopped
only by deleting it, also if `spec.retention.pods` would keep it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import Attempt, State, parse_attempts
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.phases.cleaning import stop, stop_moments

LINGER = timedelta(seconds=15)
"""How long a Pod may outlast its processor: longer than a native sidecar, which the kubelet stops."""


def end_lingering(o: Observation, decision: Decision) -> Decision:
    """The decision, and the deletion of Pods that have outlasted their processor for too long.

    A decision that moves to another phase is recorded first.
    """
    if decision.status.at is not o.job.status.at:
        return decision
    lingering = [a for a in o.attempts if a.lingers and not a.deleting and _is_recorded(o, a)]
    if not lingering:
        return decision
    due = [a for a in lingering if _due_at(a, o.now) <= o.now]
    stops = [action for action in stop(o, due) if action not in decision.actions]
    moments = [_due_at(a, o.now) for a in lingering if a not in due]
    moments += stop_moments(replace(o, attempts=tuple(due)))
    moments += [decision.requeue_at] if decision.requeue_at else []
    return replace(decision, actions=(*decision.actions, *stops), requeue_at=min(moments, default=None))


def _due_at(attempt: Attempt, now: datetime) -> datetime:
    """When the Pod is deleted: at once if its end is in the future (another clock)."""
    ended = attempt.finished_at or attempt.created_at
    return now if ended > now else ended + LINGER


def _is_recorded(o: Observation, attempt: Attempt) -> bool:
    """Whether the end of the attempt is known without its Pod.

    The result of a success is in the store. A failure is recorded as the next attempt, or as a lost shard.
    """
    run = o.job.status.run
    processing = o.job.status.at in (Phase.LAUNCHING, Phase.RUNNING) and o.job.deleted_at is None
    if attempt.state is State.SUCCEEDED or not processing or run is None or run.shards is None:
        return True
    if attempt.place != run.place or attempt.shard >= run.shards.total:
        return True
    counts = parse_attempts(run.shards.attempts, run.shards.total)[attempt.shard]
    return counts.lost or attempt.number < counts.launches
