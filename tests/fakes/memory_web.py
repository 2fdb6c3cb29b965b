"""Web servers and Secrets in memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

from fakes.hooks import Hooks
from imagejob_operator.naming.names import HEADER_ORIGINS
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.ports.secrets import Secret, SecretUnreadable


class MemoryWeb:
    """Every URL has an answer: its own name by default."""

    def __init__(self, hooks: Hooks | None = None) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[tuple[str, Mapping[str, str], int]] = []
        """URL, headers and limit of each request."""
        self.open = 0
        """Requests whose bytes are still held."""
        self._failures: dict[str, list[FetchFailed]] = {}
        self._hooks = hooks or Hooks()

    def fail(self, url: str, error: FetchFailed, times: int = 1000) -> None:
        """Have the next requests for a URL fail."""
        self._failures[url] = [error] * times

    @contextlib.asynccontextmanager
    async def fetch(self, url: str, headers: Mapping[str, str], max_bytes: int) -> AsyncIterator[bytes]:
        await self._hooks.before("fetch", url)
        self.asked.append((url, headers, max_bytes))
        if self._failures.get(url):
            raise self._failures[url].pop()
        self.open += 1
        try:
            yield self.pages.get(url, f"bytes of {url}".encode())
        finally:
            self.open -= 1


class MemorySecrets:
    """Secrets by namespace and name."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Secret] = {}

    def put(self, namespace: str, name: str, data: Mapping[str, str], origins: str) -> None:
        """A Secret that its owner allows to be sent to some origins."""
        self.known[namespace, name] = Secret(data, {HEADER_ORIGINS: origins})

    async def read(self, namespace: str, name: str) -> Secret:
        try:
            return self.known[namespace, name]
        except KeyError:
            raise SecretUnreadable(f"there is no Secret {name!r}") from None


def downloader(web: MemoryWeb | None = None, secrets: MemorySecrets | None = None) -> Downloader:
    """What fetches from these."""
    return Downloader(web or MemoryWeb(), secrets or MemorySecrets())
