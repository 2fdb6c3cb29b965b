"""Sends CloudEvents over HTTP, in structured mode."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

from imagejob_operator.ports.event_sink import EventRefused, SinkError

SECONDS = 10.0
"""The timeout of one request."""
HEADERS = {"Content-Type": "application/cloudevents+json", "User-Agent": "imagejob-operator"}
MAX_ANSWER = 200
"""Bytes of an error's body that a message shows. The rest is not read."""
NOT_FINAL = (401, 403, 408, 425, 429)
"""Statuses from 400 to 499 after which an event may be accepted later: with a new token, or more slowly."""
TOKEN = re.compile(r"[!-~]+")


class HttpEventSink:
    """See the port. Redirects are not followed: they would take the token along."""

    def __init__(self, url: str, token_file: Path | None = None) -> None:
        """The file has a bearer token, and is read for each event, so a new token needs no restart."""
        self._url = url
        self._token_file = token_file
        self._session: aiohttp.ClientSession | None = None

    async def send(self, event: Mapping[str, Any]) -> None:
        """See the port."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS))
        try:
            headers = HEADERS | self._authorization()
            request = self._session.post(
                self._url, data=json.dumps(event), headers=headers, allow_redirects=False
            )
            async with request as answer:
                if not answer.ok or answer.status >= 300:
                    # Without the charset that the server names, which may be none of text.
                    text = (await answer.content.read(MAX_ANSWER)).decode("utf-8", "replace")
                    final = 400 <= answer.status < 500 and answer.status not in NOT_FINAL
                    kind = EventRefused if final else SinkError
                    raise kind(f"the server answered {answer.status} {answer.reason}: {text}")
        except TimeoutError:
            raise SinkError(f"the server did not answer within {SECONDS:.0f} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SinkError(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session:
            await self._session.close()
            await asyncio.sleep(0)

    def _authorization(self) -> dict[str, str]:
        if self._token_file is None:
            return {}
        token = self._token_file.read_bytes().decode("ascii", "replace").strip()
        if not TOKEN.fullmatch(token):
            raise SinkError(f"the file {self._token_file} has no bearer token: one line of printable ASCII")
        return {"Authorization": f"Bearer {token}"}
