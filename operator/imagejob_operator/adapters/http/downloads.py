"""Downloads sources from web servers, within limits of bytes, time, redirects and memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import count

import aiohttp
import yarl

from imagejob_operator.adapters.http.guarded_connector import Lookup, guarded_connector, system_lookup
from imagejob_operator.api.errors import Reason
from imagejob_operator.fairness import FairLimiter, Waited, ignore
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.validation.networks import WEB_PORTS, SourceNetworks
from imagejob_operator.validation.urls import URL, InvalidURL, is_address, parse_url, redirected

MiB = 1024 * 1024
REDIRECTS = (301, 302, 303, 307, 308)
TRANSIENT = (408, 425, 429)
"""Responses below 500 that may succeed later."""
HEADERS = {"User-Agent": "imagejob-operator", "Accept": "*/*", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of downloads, in seconds and bytes."""

    concurrent: int = 16
    large_concurrent: int = 3
    """Downloads that may hold more than `small` bytes; the others wait in mid-stream."""
    small: int = 4 * MiB
    redirects: int = 5
    connect: float = 5
    idle: float = 10
    """The longest pause between two reads."""
    patience: float = 30
    """The total timeout; it is extended by one second for each `pace` bytes received."""
    pace: int = MiB


class HttpDownloads:
    """See the port."""

    def __init__(
        self,
        networks: SourceNetworks,
        proxy: str = "",
        lookup: Lookup = system_lookup,
        bounds: Bounds | None = None,
        waited: Waited = ignore,
    ) -> None:
        """A `proxy` (`http://host:port`) resolves names and decides what may be reached."""
        self._networks = networks
        self._proxy = proxy
        self._bounds = bounds or Bounds()
        concurrent = self._bounds.concurrent
        connector = aiohttp.TCPConnector(limit=concurrent, force_close=True) if proxy else None
        self._session = aiohttp.ClientSession(
            connector=connector or guarded_connector(networks, lookup, concurrent, waited),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self._bounds.connect, sock_read=self._bounds.idle
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
        )
        self._slots = FairLimiter("downloads", concurrent, waited)
        self._large = FairLimiter("large_downloads", self._bounds.large_concurrent, waited)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    @contextlib.asynccontextmanager
    async def fetch(self, url: str, headers: Mapping[str, str], max_bytes: int) -> AsyncIterator[bytes]:
        """See the port."""
        async with contextlib.AsyncExitStack() as room:
            await room.enter_async_context(self._slots.slot())
            yield await self._in_time(parse_url(url), headers, max_bytes, room)

    async def _in_time(
        self, url: URL, headers: Mapping[str, str], max_bytes: int, room: contextlib.AsyncExitStack
    ) -> bytes:
        try:
            async with asyncio.timeout(self._bounds.patience) as limit:
                return await self._follow(url, headers, _Body(url, max_bytes, limit, room, self))
        except FetchFailed as error:
            # An error of the resolver or the socket does not contain the URL.
            text = str(error) if url.shown in str(error) else f"{url.shown}: {error}"
            raise FetchFailed(error.reason, text, error.transient, error.silent) from None
        except TimeoutError:
            raise _unreachable(
                url, "did not respond, or took too long to send the file", transient=True, silent=True
            ) from None
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            raise _unreachable(url, f"has an untrusted TLS certificate ({type(error).__name__})") from None
        except aiohttp.ClientHttpProxyError as error:
            if error.status == 403:
                text = (
                    f"{url.shown}: the operator's proxy (IMAGEJOB_SOURCE_PROXY) refused the request; ask "
                    "the operator's administrator"
                )
                raise FetchFailed(Reason.BLOCKED_ADDRESS, text) from None
            raise _unreachable(
                url, f"could not be downloaded: the proxy returned HTTP {error.status}", transient=True
            ) from None
        except aiohttp.ClientPayloadError:
            raise _unreachable(
                url, "was not received completely: the connection was closed early", transient=True
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            silent = isinstance(error, aiohttp.ClientConnectionError | OSError)
            raise _unreachable(
                url, f"could not be downloaded ({type(error).__name__})", transient=True, silent=silent
            ) from None

    async def _follow(self, first: URL, headers: Mapping[str, str], body: _Body) -> bytes:
        url, same_origin = first, True
        for hops in count():
            self._admit(url)
            # After a redirect to another origin no headers are sent any more, even if it leads back.
            same_origin = same_origin and url.origin == first.origin
            sent = {**headers, **HEADERS} if same_origin else HEADERS
            async with self._session.get(
                yarl.URL(url.whole, encoded=True),
                headers=sent,
                allow_redirects=False,
                proxy=self._proxy or None,
            ) as response:
                if response.status not in REDIRECTS:
                    return await body.read(url, response)
                if hops >= self._bounds.redirects:
                    raise _unreachable(
                        first, f"has more than {self._bounds.redirects} redirects; use the final URL"
                    )
                url = _next(first, url, response)
        raise AssertionError  # count() has no end

    def _admit(self, url: URL) -> None:
        """Refuse a URL by its address or port; a name is checked when it is resolved."""
        refusal = ""
        if is_address(url.host):
            refusal = self._networks.refusal(url.host, url.port)
        elif self._proxy and url.port not in WEB_PORTS:
            refusal = f"port {url.port}, which is neither 80 nor 443"
        if refusal:
            raise FetchFailed(Reason.BLOCKED_ADDRESS, f"{url.shown} points to {refusal}")


@dataclass(frozen=True, slots=True)
class _Body:
    """Reads the bytes of one URL."""

    first: URL
    max_bytes: int
    limit: asyncio.Timeout
    room: contextlib.AsyncExitStack
    of: HttpDownloads

    async def read(self, url: URL, response: aiohttp.ClientResponse) -> bytes:
        _check_answer(url, response)
        if (response.content_length or 0) > self.max_bytes:
            raise self._too_large(f"has {response.content_length} bytes")
        bounds, taken, large = self.of._bounds, bytearray(), False
        async for chunk in response.content.iter_any():
            taken += chunk
            if len(taken) > self.max_bytes:
                raise self._too_large("is larger than the limit")
            until = self.limit.when() or 0
            if len(taken) > bounds.small and not large:
                waited = asyncio.get_running_loop().time()
                await self._wait_for_room(until)
                until += asyncio.get_running_loop().time() - waited
                large = True
            self.limit.reschedule(until + len(chunk) / bounds.pace)
        return bytes(taken)

    async def _wait_for_room(self, until: float) -> None:
        self.limit.reschedule(None)
        await self.room.enter_async_context(self.of._large.slot())
        self.limit.reschedule(until)

    def _too_large(self, found: str) -> FetchFailed:
        text = (
            f"{self.first.shown} {found}; at most {self.max_bytes} bytes are allowed "
            "(spec.limits.itemSize, and 64Mi for downloads); use a smaller image"
        )
        return FetchFailed(Reason.SOURCE_TOO_LARGE, text)


def _check_answer(url: URL, response: aiohttp.ClientResponse) -> None:
    status = response.status
    if status in (404, 410):
        raise FetchFailed(
            Reason.SOURCE_NOT_FOUND,
            f"{url.shown} returned HTTP {status}: the image was not found; correct the URL",
        )
    if status in (401, 403, 407):
        raise FetchFailed(
            Reason.ACCESS_DENIED,
            f"{url.shown} returned HTTP {status}: access denied; check the headers in headersSecretRef",
        )
    if status != 200:
        raise _unreachable(url, f"returned HTTP {status}", transient=status >= 500 or status in TRANSIENT)
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() not in ("identity", ""):
        raise _unreachable(
            url, f"has Content-Encoding {encoding[:40]!r}, which is not supported; serve the image without it"
        )


def _next(first: URL, url: URL, response: aiohttp.ClientResponse) -> URL:
    location = response.headers.get("Location", "")
    if not location:
        raise _unreachable(url, f"returned HTTP {response.status} without a Location header")
    try:
        return redirected(url, location)
    except InvalidURL as error:
        text = f"{first.shown} redirects to a URL that is not allowed: {error}"
        raise FetchFailed(Reason.BLOCKED_ADDRESS, text) from None


def _unreachable(url: URL, problem: str, transient: bool = False, silent: bool = False) -> FetchFailed:
    return FetchFailed(Reason.SOURCE_UNREACHABLE, f"{url.shown} {problem}", transient, silent)
