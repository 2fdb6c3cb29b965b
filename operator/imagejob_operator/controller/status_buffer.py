"""Statuses that are decided and not written yet: a phase that ends within a second is not written at all.

Only statuses that another process would decide in the same way are held back. What is recorded before
something is done (the staging of a run, an attempt, the cause of a failure) is written at once. So a status
that is lost in a crash, a shutdown, or a change of the leader is decided again, and need not be flushed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import RunStatus, Status
from imagejob_operator.decision.observation import Decision

HELD_FOR = timedelta(seconds=1)
"""How long the status of a phase is held back."""
_MOVES = {
    Phase.LAUNCHING: (Phase.RUNNING, Phase.PUBLISHING),
    Phase.RUNNING: (Phase.PUBLISHING,),
}
"""Moves that follow from what the Pods have done."""


@dataclass(frozen=True, slots=True)
class _Held:
    uid: str
    written: Status
    """The status on the API server that it follows from."""
    status: Status
    since: datetime


class StatusBuffer:
    """The statuses that are held back, by job."""

    def __init__(self) -> None:
        self._held: dict[Key, _Held] = {}

    def current(self, job: ImageJob) -> ImageJob:
        """The job with the status that is held back for it, unless another one was written since."""
        held = self._of(job)
        return replace(job, status=held.status) if held else job

    def hold(self, job: ImageJob, decision: Decision, now: datetime) -> timedelta | None:
        """Hold the decided status of a job back; for how much longer, or None if it is to be written now.

        `job` has the status that was written last. What was held back before stays until the write has
        succeeded: a conflict must not take back work that has begun.
        """
        if decision.actions or not _follows(job.status, decision.status):
            return None
        held = self._of(job)
        same_phase = held and held.status.phase == decision.status.phase
        # A clock that is set back does not make it longer than a second from now.
        since = min(held.since, now) if held and same_phase else now
        left = since + HELD_FOR - now
        if left <= timedelta():
            return None
        self._held[job.key] = _Held(job.uid, job.status, decision.status, since)
        return left

    def forget(self, key: Key) -> None:
        """A status was written, or the job is gone."""
        self._held.pop(key, None)

    def _of(self, job: ImageJob) -> _Held | None:
        held = self._held.get(job.key)
        return held if held and (held.uid, held.written) == (job.uid, job.status) else None

    def __len__(self) -> int:
        """How many statuses are held back."""
        return len(self._held)


def _follows(written: Status, decided: Status) -> bool:
    """Whether the decided status only says what the Pods of the recorded attempts have done."""
    moved = decided.at in _MOVES.get(written.at, ())
    return moved and decided.error is None and _recorded(written) == _recorded(decided)


def _recorded(status: Status) -> Status:
    """The status without what every process decides from the Pods: the phase and the counts."""
    run = status.run or RunStatus()
    shards = run.shards and msgspec.structs.replace(run.shards, succeeded=0, failed=0)
    return msgspec.structs.replace(
        status,
        phase="",
        phase_since=None,
        observed_generation=0,
        run=msgspec.structs.replace(run, shards=shards),
        items=None,
        progress="",
        conditions=(),
    )
