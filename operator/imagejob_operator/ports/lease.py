"""The lease of an installation: one record that says which replica is in charge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """The lease as it is kept: its holder, '' if it was released, and the version that a write rests on."""

    holder: str
    version: str
    transitions: int = 0
    """How often it went to another holder."""


class Lease(Protocol):
    """Every call raises a JobsError if it fails, and then it may have taken effect all the same."""

    async def read(self) -> Record | None:
        """The record as it is now; None if there is none."""
        ...

    async def write(self, holder: str, over: Record | None) -> Record:
        """Write a holder over exactly this record, or where there is none; always a new version.

        A record that somebody deleted is made anew, as Kubernetes does with leases.

        Raises:
            Conflict: somebody else wrote in between.
        """
        ...
