"""A proxy before an S3 server that refuses what another store does not implement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from e2e.faults.store_faults import refused
from e2e.faults.store_proxy import Exchange, Fault, Request, Rule, StoreProxy

Refusal = tuple[int, str, str]
"""Status, code and message of an error of S3."""
NOT_IMPLEMENTED = "NotImplemented"


@contextmanager
def playing(
    refusal: Callable[[Request], Refusal | None], upstream: str, expired: Refusal | None = None
) -> Iterator[str]:
    """Run the proxy during the block; yields `host:port`.

    Args:
        refusal: Why a request is refused; None passes it on.
        upstream: `host:port` of the server.
        expired: The answer to a presigned URL that has expired, if the store has another one than S3.
    """
    host, _, port = upstream.partition(":")
    proxy = StoreProxy(host, (host, int(port)))
    proxy.start()
    try:
        with proxy.rule(Rule(_answer(refusal, expired))):
            yield proxy.address
    finally:
        proxy.stop()


def _answer(refusal: Callable[[Request], Refusal | None], expired: Refusal | None) -> Fault:
    async def fault(exchange: Exchange) -> None:
        if why := refusal(exchange.request):
            await refused(*why)(exchange)
            return
        answer = await exchange.forward()
        if expired and b" 403 " in answer[:20] and b"<Message>Request has expired" in answer:
            await refused(*expired)(exchange)
            return
        await exchange.reply(answer)

    return fault
