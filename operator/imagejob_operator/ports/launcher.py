"""Launches attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.decision.attempt import Attempt, Problem


class Refused(Exception):
    """The launcher refuses the attempt; `problem` says why, and whether waiting may help."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Launcher(Protocol):
    """Every call is idempotent and ends within a bounded time."""

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        """Launch an attempt, or adopt it if it exists.

        Args:
            job: its recorded run is part of the attempt's name.
            shard: which shard.
            number: which launch of the shard, from 1.
            ends_by: when it is stopped at the latest.

        Raises:
            Refused: the launcher refuses it.
        """

    async def rehearse(self, job: ImageJob, ends_by: datetime) -> str:
        """Check whether the first attempt of a job would be accepted, without launching it.

        Returns:
            Why this cannot be checked; empty if it would be accepted.

        Raises:
            Refused: the launcher refuses it.
        """

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        """Give the attempt the URL of its order, and the store's CA bundle; no effect if it has them.

        Raises:
            Refused: the launcher refuses it.
        """

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        """The last Event of an attempt that does not start; empty if there is none. It raises no error."""

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        """Stop an attempt and remove it; no effect if it is gone."""
