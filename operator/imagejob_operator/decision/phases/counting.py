"""When the progress of running attempts is read: in runs that are not short, and at intervals."""

from __future__ import annotations

from datetime import datetime

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts
from imagejob_operator.decision.observation import COUNT_EVERY, Observation
from imagejob_operator.decision.operation import Count, Operation, Working
from imagejob_operator.decision.shards import Survey


def count_done(o: Observation, view: Survey, known: ItemCounts) -> tuple[Operation | None, datetime | None]:
    """The reading that is under way, was the last, or is due now; and when the next one is due."""
    status, last = o.job.status, o.operation if isinstance(o.operation, Count) else None
    if status.at is not Phase.RUNNING or not view.running:
        return None, None
    if last and isinstance(o.progress, Working):
        return last, None
    due = last.since + o.count_every if last else (status.phase_since or o.now) + COUNT_EVERY
    if o.now < due:
        return last, due
    attempts = tuple((attempt.shard, attempt.number) for attempt in view.running)
    return Count(o.staged_prefix, attempts, known, o.now), None
