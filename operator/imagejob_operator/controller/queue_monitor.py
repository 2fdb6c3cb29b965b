"""Does a queue still give turns? One that does not is silent: nothing fails, and nothing happens."""

from __future__ import annotations

from imagejob_operator.controller.workqueue import WorkQueue

LONGEST_TURN = 180.0
"""Seconds after which a turn that has not ended never will: each of its calls ends within 15."""
MOST_LOOKS = 12
"""Looks in a row at which keys waited, a worker was free, and no turn had begun since the look before."""


class QueueMonitor:
    """Looks at one queue from time to time.

    Standing still is counted in looks and not in seconds: a process that was itself stopped for a while has
    missed as many looks as turns.
    """

    def __init__(self, queue: WorkQueue, of: str) -> None:
        self._queue = queue
        self._of = of
        self._begun = 0
        self._looks = 0

    def look(self) -> None:
        """See whether turns have begun since the last look."""
        stands = self._queue.has_waiting_key() and self._queue.begun == self._begun
        self._looks = self._looks + 1 if stands else 0
        self._begun = self._queue.begun

    def complaints(self) -> list[str]:
        """Why the queue is of no use; empty if all is well."""
        told: list[str] = []
        reconcile = self._queue.longest_reconcile()
        if reconcile and reconcile[1] > LONGEST_TURN:
            told.append(f"the turn of {reconcile[0]} has not ended for {reconcile[1]:.0f} s")
        if self._queue.dead_workers():
            told.append(f"{self._queue.dead_workers()} workers of the queue of {self._of} have ended")
        if self._looks >= MOST_LOOKS:
            told.append(
                f"the queue of {self._of} stands still: keys wait, workers are free, and at {self._looks} "
                "looks in a row no turn had begun"
            )
        return told
