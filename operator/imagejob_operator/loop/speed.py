"""How fast Pods of this installation have been: kept in memory, half forgotten after some minutes of work."""

from __future__ import annotations

from imagejob_operator.core.attempt import State
from imagejob_operator.core.observation import Observation
from imagejob_operator.core.shards import shard_items
from imagejob_operator.core.sizing import DEFAULT_SPEED, work_of

HALF_LIFE = 600.0
"""Seconds of Pods after which what was seen before counts for half."""

PRIOR_SECONDS = 60.0
"""What is believed before anything was seen weighs as much as so many seconds of Pods."""


class Speed:
    """Work done and the seconds that it took, the older the less."""

    def __init__(self) -> None:
        self._work = DEFAULT_SPEED * PRIOR_SECONDS
        self._seconds = PRIOR_SECONDS

    @property
    def now(self) -> float:
        """Bytes of work that a Pod does in a second."""
        return self._work / self._seconds

    def learn(self, o: Observation) -> None:
        """Take note of a run whose Pods have all ended: of when those that succeeded began and ended."""
        status, run = o.job.status, o.job.status.run
        if not (status.items and status.staging and status.staging.objects and run):
            return
        mean = status.staging.bytes / status.staging.objects
        for a in o.attempts:
            mine = (a.run, a.epoch) == (run.number, run.epoch) and a.state is State.SUCCEEDED
            if mine and a.started_at and a.finished_at:
                ordered = status.items.total - status.items.skipped
                items = len(shard_items(ordered, status.items_per_shard, a.shard))
                # Kubernetes knows whole seconds only: the half of one is what the shortest takes on average.
                seconds = max(0.5, (a.finished_at - a.started_at).total_seconds())
                self._add(work_of(items, round(mean * items)), seconds)

    def _add(self, work: float, seconds: float) -> None:
        fade = 0.5 ** (seconds / HALF_LIFE)
        self._work = self._work * fade + work
        self._seconds = self._seconds * fade + seconds
