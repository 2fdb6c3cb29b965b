"""Downloads from web servers that users name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from imagejob_operator.api.errors import Reason


class FetchFailed(Exception):
    """A download failed; the message has the URL without its query, and no secret."""

    def __init__(self, reason: Reason, message: str, transient: bool = False, silent: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        """BlockedAddress, SourceUnreachable, SourceNotFound, AccessDenied or SourceTooLarge."""
        self.transient = transient
        """Whether a retry may succeed."""
        self.silent = silent
        """Whether the server did not respond at all, so that it would not for another URL either."""


class Downloads(Protocol):
    """Every call ends within a bounded time, and reaches only what the settings allow."""

    def fetch(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> AbstractAsyncContextManager[bytes]:
        """All bytes behind a URL, or FetchFailed; their memory is reserved until the context is left.

        The headers are sent to the URL's origin only. A body of more than `max_bytes` is SourceTooLarge.
        """
