"""Secrets that users refer to; the operator may read those that a Role allows, and list none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Secret:
    """The data of a Secret as text, and what its owner says about its use."""

    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str]


class SecretUnreadable(Exception):
    """It does not exist or may not be read, or the API server did not answer; the message says what to do."""

    def __init__(self, message: str, answered: bool = True) -> None:
        super().__init__(message)
        self.answered = answered


class Secrets(Protocol):
    """Every call ends within a bounded time."""

    async def read(self, namespace: str, name: str) -> Secret:
        """A Secret, or SecretUnreadable, which may be transient."""
