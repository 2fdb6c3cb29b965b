"""Secrets that users refer to: the operator reads those it was given a Role for, and cannot list any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class SecretUnreadable(Exception):
    """It is not there, may not be read, or there was no answer; the message says which and what to do."""


class Secrets(Protocol):
    """Every call ends within a bounded time."""

    async def read(self, namespace: str, name: str) -> Mapping[str, str]:
        """The data of a Secret as text.

        Raises:
            SecretUnreadable: it may become readable later.
        """
        ...
