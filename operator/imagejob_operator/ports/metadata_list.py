"""What is there, asked of the API server itself: what the watch is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from imagejob_operator.api.imagejob import Key


@dataclass(frozen=True, slots=True)
class Sight:
    """One object: the job that it is or belongs to, and its version."""

    key: Key
    version: str


class MetadataLister(Protocol):
    """Every call raises a JobsError, within a bounded time, if it cannot answer in full."""

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, Sight]:
        """All ImageJobs by uid, as of one moment after the call began; of all namespaces if none is named."""
        ...

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, Sight]:
        """All attempts of this installation by uid, in the same manner."""
        ...
