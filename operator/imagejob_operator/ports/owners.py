"""ImageJobs as the garbage collector reads them: never from a cache, and only complete lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Owner


class Owners(Protocol):
    """Every call raises a JobsError, within a bounded time, if the answer is not complete."""

    async def cluster_uid(self) -> str:
        """The uid of the namespace kube-system; Forbidden if it may not be read."""

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        """The uid of every ImageJob, from one moment after the call began; empty `namespaces` are all."""

    async def get(self, key: Key) -> tuple[str, Owner] | None:
        """The uid and the state of one ImageJob, from after the call began; None if it is gone."""
