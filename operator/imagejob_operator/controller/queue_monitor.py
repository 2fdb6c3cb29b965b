"""Detects a work queue that is stuck. Such a queue raises no error: it only stops reconciling."""

from __future__ import annotations

from imagejob_operator.controller.workqueue import WorkQueue

MAX_RECONCILE_SECONDS = 180.0
"""A reconcile that takes longer is stuck: each of its calls ends within 15 seconds."""
MAX_STALLED_CHECKS = 12
"""Consecutive checks at which keys were queued, a worker was idle, and no reconcile had started."""


class QueueMonitor:
    """Checks one queue periodically.

    A stall is counted in checks and not in seconds: a process that was frozen missed checks as well.
    """

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._started = 0
        self._stalled_checks = 0

    def check(self) -> None:
        """Compare with the last check."""
        stalled = self._queue.has_waiting_key() and self._queue.started == self._started
        self._stalled_checks = self._stalled_checks + 1 if stalled else 0
        self._started = self._queue.started

    def problems(self) -> list[str]:
        """What is wrong with the queue; empty if it is healthy."""
        name, found = self._queue.name, []
        longest = self._queue.longest_reconcile()
        if longest and longest[1] > MAX_RECONCILE_SECONDS:
            found.append(
                f"work queue {name}: the reconcile of {longest[0]} has not ended for {longest[1]:.0f} s"
            )
        if dead := self._queue.dead_workers():
            found.append(f"work queue {name}: {dead} workers have ended")
        if self._stalled_checks >= MAX_STALLED_CHECKS:
            found.append(
                f"work queue {name} is stalled: keys are queued and workers idle, and no reconcile started "
                f"within {self._stalled_checks} checks"
            )
        return found
