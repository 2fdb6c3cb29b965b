"""Who runs attempts: Pods on a cluster, or child processes on one machine."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.decision.attempt import Attempt, Problem


class Refused(Exception):
    """The launcher will not run the attempt; `problem` says why, and whether waiting may help."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Launcher(Protocol):
    """Every call is idempotent and ends within a bounded time."""

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        """Launch an attempt, or adopt it if it is there already.

        Args:
            job: whose attempt; its recorded run gives the rest of the name.
            shard: which shard.
            number: which launch of the shard, from 1.
            ends_by: when it is stopped if it still runs.

        Raises:
            Refused: with the reason.
        """
        ...

    async def rehearse(self, job: ImageJob, ends_by: datetime) -> str:
        """Ask whether the first attempt of a job would be taken now, and launch none.

        Returns:
            Why that cannot be told; empty if it would be taken.

        Raises:
            Refused: with the reason.
        """
        ...

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        """Give the attempt the URL of its order; done already is done.

        `ca_bundle` are PEM certificates of the authorities that sign the store's one; empty: the usual ones.

        Raises:
            Refused: with the reason.
        """
        ...

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        """What was last said of an attempt that does not start; empty if nothing. It raises no error."""
        ...

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        """End an attempt and remove it; gone already is done."""
        ...
