"""ImageJobs as the garbage collector asks for them: never from a cache, and never half an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.orphans import Owner, Unknown


class Owners(Protocol):
    """Every call raises a JobsError, within a bounded time, if it cannot answer in full."""

    async def cluster(self) -> str:
        """The uid of this cluster: that of its namespace kube-system. Rejected if it may not be read."""
        ...

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        """The uid of every ImageJob, as of one moment after the call began.

        Of all namespaces if none is named.
        """
        ...

    async def look(self, key: Key) -> tuple[str, Owner | Unknown] | None:
        """The uid of one ImageJob and how it stands, at a moment after the call began; None if it is gone."""
        ...
