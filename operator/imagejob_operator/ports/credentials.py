"""Credentials of object stores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key pair, with a session token and an expiry if it is temporary. Its repr shows no secret."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    expires_at: datetime | None = None


CredentialSource = Callable[[], Credentials]
"""Returns the current credentials, before every request; a StoreError if there are none. It may block."""
