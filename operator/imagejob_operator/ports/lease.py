"""The Lease of an installation: one record that names the leader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The stored record; `holder` is empty after a release."""

    holder: str
    version: str
    transitions: int = 0
    """How often the holder changed."""


class Lease(Protocol):
    """A call that raises a JobsError may have taken effect."""

    async def read(self) -> LeaseRecord | None:
        """The current record; None if there is none."""

    async def write(self, holder: str, over: LeaseRecord | None) -> LeaseRecord:
        """Replace exactly this record, or create one if it is None or deleted; Conflict if it has changed."""
