"""What is fetched from web servers that users name."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from imagejob_operator.api.errors import Reason


class FetchFailed(Exception):
    """The URL was not fetched; the message names it without its query, and holds no secret."""

    def __init__(self, reason: Reason, message: str, passing: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        """BlockedAddress, SourceUnreachable, SourceNotFound, AccessDenied or SourceTooLarge."""
        self.passing = passing
        """Whether it may go well later with nothing changed."""


class Downloads(Protocol):
    """Every call ends within a bounded time, and reaches only what the operator's settings admit."""

    def fetch(
        self, url: str, headers: Mapping[str, str], max_bytes: int
    ) -> AbstractAsyncContextManager[bytes]:
        """All bytes behind a URL, from a stream of its own, and room for them until the context is left.

        Args:
            url: as `core.urls.parse_url` takes it.
            headers: sent to the URL's own origin, and not after a redirect to another one.
            max_bytes: more end it as SourceTooLarge.

        Raises:
            FetchFailed: with the reason.
        """
        ...
