"""Sends traces over HTTP to a collector that speaks OTLP, as protobuf."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import aiohttp

# The only module that loads the schema of OTLP, so it is imported only if traces are sent.
from imagejob_operator.adapters.http import otlp
from imagejob_operator.documents.run_trace import Attributes, Trace
from imagejob_operator.ports.trace_collector import CollectorError
from imagejob_operator.trace_settings import TraceSettings

SECONDS = 10.0
"""The timeout of one request, which is the default of OpenTelemetry."""
HEADERS = {"Content-Type": "application/x-protobuf", "User-Agent": "imagejob-operator"}
TRANSIENT = (429, 502, 503, 504)
"""The answers after which OTLP lets a client send again."""
MAX_ANSWER = 65536
"""Bytes of an answer that are read."""
MAX_TEXT = 200
"""Bytes of an error's body that a message shows."""


class HttpTraceCollector:
    """See the port. Redirects are not followed: they would take the headers along."""

    def __init__(self, settings: TraceSettings, operator: Attributes) -> None:
        """`operator` identifies this process; attributes of the settings come first."""
        self._settings = settings
        self._operator = {**operator, **settings.attributes, "service.name": settings.service}
        self._tls = ssl.create_default_context(cafile=settings.ca_file or None)
        self._session: aiohttp.ClientSession | None = None

    async def send(self, traces: Sequence[Trace]) -> None:
        """See the port."""
        body = await asyncio.to_thread(otlp.encode, traces, self._operator, self._settings.attributes)
        if self._session is None:
            self._session = self._open()
        headers = {**self._settings.headers, **HEADERS}
        try:
            request = self._session.post(
                self._settings.url, data=body, headers=headers, allow_redirects=False
            )
            async with request as answer:
                await _check(answer)
        except TimeoutError:
            raise CollectorError(f"the collector did not answer within {SECONDS:.0f} s", True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise CollectorError(f"{type(error).__name__}: {error}", transient=True) from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            await asyncio.sleep(0)

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=1)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(SECONDS))


async def _check(answer: aiohttp.ClientResponse) -> None:
    """Raise CollectorError unless all traces were accepted."""
    body = await answer.content.read(MAX_ANSWER)
    if answer.status in range(200, 300):
        if answer.content_type == HEADERS["Content-Type"] and (text := otlp.rejected(body)):
            raise CollectorError(text, transient=False)
        return
    # Without the charset that the server names, which may be none of text.
    text = body[:MAX_TEXT].decode("utf-8", "replace")
    message = f"the collector answered {answer.status} {answer.reason}: {text}"
    raise CollectorError(message, answer.status in TRANSIENT, _seconds(answer.headers.get("Retry-After", "")))


def _seconds(retry_after: str) -> float:
    """The pause that a collector asks for; 0 if it names none, or a date."""
    return (
        float(retry_after)
        if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 7
        else 0.0
    )
