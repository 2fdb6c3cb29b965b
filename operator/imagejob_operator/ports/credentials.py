"""Who we are to an object store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair; with a session token and an end if it is temporary. Nothing of it is ever shown."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expires_at: datetime | None = None


CredentialSource = Callable[[], Credentials]
"""Gives the credentials of now, before every request; a StoreError if there are none. It may block."""
