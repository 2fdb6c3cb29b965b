"""Launches attempts."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.decision.attempt import Attempt, Problem


class Refused(Exception):
    """The launcher refuses the attempt; `problem` says why, and whether waiting may help."""

    def __init__(self, problem: Problem, retry_after: float | None = None) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.retry_after = retry_after
        """The least pause in seconds that the API server asks for."""


class Launcher(Protocol):
    """Every call is idempotent and ends within a bounded time; the first three may raise Refused."""

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        """Launch attempt `number` of a shard, from 1, to be stopped at `ends_by`; adopt it if it exists."""

    async def rehearse(self, job: ImageJob, ends_by: datetime) -> str:
        """Check that the first attempt would be accepted; the reason if that cannot be checked, else ""."""

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        """Give the attempt the URL of its order, and the store's CA bundle; no effect if it has them."""

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        """The last Event of an attempt that does not start; empty if there is none. It raises no error."""

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        """Stop an attempt and remove it; no effect if it is gone; a JobsError if that is refused."""
