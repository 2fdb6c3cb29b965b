"""Faults of requests to the store."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from xml.sax.saxutils import escape

from e2e.faults.store_proxy import Exchange, Fault


def refused(status: int, code: str, message: str = "planted") -> Fault:
    """The store answers with an error of S3."""
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"

    async def fault(exchange: Exchange) -> None:
        body = "" if exchange.request.method == "HEAD" else text
        head = (
            f"HTTP/1.1 {status} Planted\r\nContent-Type: application/xml\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        await exchange.reply((head + body).encode())

    return fault


async def cut(exchange: Exchange) -> None:
    """The connection is reset before anything was done."""
    exchange.cut()


async def lost_answer(exchange: Exchange) -> None:
    """The request takes effect, and the response is lost."""
    await exchange.forward()
    exchange.cut()


async def cut_download(exchange: Exchange) -> None:
    """The response is truncated."""
    answer = await exchange.forward()
    await exchange.reply(answer[: len(answer) - len(answer.partition(b"\r\n\r\n")[2]) // 2])
    exchange.cut()


async def silence(exchange: Exchange) -> None:
    """There is no response."""
    await asyncio.Event().wait()


def slow(seconds: float) -> Fault:
    """The store is slow."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        await exchange.reply(await exchange.forward())

    return fault


def held(released: threading.Event) -> Fault:
    """The store holds requests, and their retries, until it is released."""

    async def fault(exchange: Exchange) -> None:
        # Not in a thread: those of the loop are few, and many requests may be held.
        while not released.is_set():
            await asyncio.sleep(0.05)
        await exchange.reply(await exchange.forward())

    return fault


def once(seen: Callable[[], object], fault: Fault) -> Fault:
    """The fault comes as soon as something is seen; requests wait for it."""

    async def waiting(exchange: Exchange) -> None:
        while not await asyncio.to_thread(seen):
            await asyncio.sleep(0.05)
        await fault(exchange)

    return waiting


def pretended(status: int, body: str = "") -> Fault:
    """The store reports success and does nothing."""

    async def fault(exchange: Exchange) -> None:
        head = f"HTTP/1.1 {status} Planted\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        await exchange.reply((head + body).encode())

    return fault


def written(body: bytes) -> Fault:
    """The store receives other bytes than were sent."""

    async def fault(exchange: Exchange) -> None:
        request = exchange.request
        kept = [
            line for line in request.head.split(b"\r\n") if not line.lower().startswith(b"content-length")
        ]
        kept[1:1] = [b"Content-Length: " + str(len(body)).encode()]
        exchange.request = replace(request, head=b"\r\n".join(kept), body=body)
        await exchange.reply(await exchange.forward())

    return fault


async def other_hashes(exchange: Exchange) -> None:
    """The store receives other hashes than were sent."""
    request = exchange.request
    body = re.sub(rb'("sha256":")[0-9a-f]{64}', rb"\g<1>" + b"0" * 64, request.body)
    exchange.request = replace(request, body=body)
    await exchange.reply(await exchange.forward())


def meanwhile(action: Callable[[], object]) -> Fault:
    """Run an action, then forward the request."""

    async def fault(exchange: Exchange) -> None:
        await asyncio.to_thread(action)
        await exchange.reply(await exchange.forward())

    return fault


def written_later(seconds: float) -> Fault:
    """The store's clock is ahead by so much."""

    async def fault(exchange: Exchange) -> None:
        head, _, body = (await exchange.forward()).partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        for number, line in enumerate(lines):
            if line.lower().startswith("last-modified:"):
                moment = parsedate_to_datetime(line.partition(":")[2].strip()) + timedelta(seconds=seconds)
                lines[number] = f"Last-Modified: {format_datetime(moment, usegmt=True)}"
        await exchange.reply("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    return fault
