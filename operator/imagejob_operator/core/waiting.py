"""Waiting for long work: which effort, since when, and until when."""

from __future__ import annotations

from datetime import datetime

from imagejob_operator.core.effort import Broken, Collect, Progress, Publish, Stage, last_failure
from imagejob_operator.core.observation import Decision, Observation
from imagejob_operator.core.saying import change


def phase_begun(o: Observation) -> datetime:
    """When the present phase began."""
    return o.job.status.phase_since or o.now


def progress_of(o: Observation, effort: Stage | Collect | Publish) -> Progress | None:
    """How this very effort stands; None if it is not the one that runs."""
    return o.progress if o.effort == effort else None


def keep_going(
    o: Observation, effort: Stage | Collect | Publish, broken: Broken | None, until: datetime
) -> Decision:
    """Keep the effort going; after an error that may pass, not before its time has come."""
    last = last_failure(progress_of(o, effort))
    note = last.message if last else ""
    resting = broken is not None and broken.retry_at is not None and o.now < broken.retry_at
    moments = [until, o.now + o.policy.look_again]
    if broken and broken.retry_at and resting:
        moments.append(broken.retry_at)
    return Decision(change(o, o.job.status, note=note), effort=effort, look_again=min(moments))
