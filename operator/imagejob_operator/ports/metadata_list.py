"""What exists, listed from the API server: the watch monitor compares the watches with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from imagejob_operator.api.imagejob import Key


@dataclass(frozen=True, slots=True)
class ListedObject:
    """The job that an object is or belongs to, and the object's version."""

    key: Key
    version: str


class MetadataLister(Protocol):
    """Every call raises a JobsError, within a bounded time, if the list is not complete."""

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        """All ImageJobs by uid, from one moment after the call began; of all namespaces if none is named."""

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        """All attempts of this installation by uid, in the same way."""
