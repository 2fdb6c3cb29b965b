"""Connections to servers that users name: each address is checked before it is connected to.

A name is resolved once, and the connection is made to exactly the addresses that were checked, so DNS
rebinding is not possible. The address of every socket is checked as well.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from imagejob_operator.api.errors import Reason
from imagejob_operator.fairness import FairExecutor, Waited, ignore
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.validation.networks import SourceNetworks

LOOKUPS = 16
"""Concurrent lookups. The system's resolver blocks a thread for each, even after its download has ended."""

Lookup = Callable[[str], Sequence[str]]
"""All addresses of a name."""


def system_lookup(host: str) -> Sequence[str]:
    """Use the system's resolver; socket.gaierror if there is no address."""
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


class GuardedResolver(AbstractResolver):
    """Returns only allowed addresses; a name with one that is not allowed is refused."""

    def __init__(self, networks: SourceNetworks, lookup: Lookup, waited: Waited = ignore) -> None:
        self._networks = networks
        self._lookup = lookup
        self._threads = FairExecutor("lookups", LOOKUPS, waited)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """See aiohttp; FetchFailed if an address is blocked, or the lookup fails."""
        addresses = await self._addresses(host)
        for address in addresses:
            if refusal := self._networks.refusal(address, port):
                raise FetchFailed(Reason.BLOCKED_ADDRESS, f"{host} resolves to {refusal}")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def _addresses(self, host: str) -> Sequence[str]:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host)
        except (socket.gaierror, UnicodeError) as error:
            unknown = not isinstance(error, socket.gaierror) or error.errno in UNKNOWN
            text = (
                f"the host name {host} does not resolve to an IP address"
                if unknown
                else f"the DNS lookup of {host} failed temporarily"
            )
            raise FetchFailed(
                Reason.SOURCE_UNREACHABLE, text, transient=not unknown, silent=not unknown
            ) from None

    async def close(self) -> None:
        """Stop the threads; lookups under way end by the resolver's timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)


UNKNOWN = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""Errors that mean that the name does not exist, or has no address."""


def guarded_connector(
    networks: SourceNetworks, lookup: Lookup, connections: int, waited: Waited = ignore
) -> aiohttp.TCPConnector:
    """A connector that reaches only allowed addresses, and keeps no connection open."""

    def checked_socket(address: Any) -> socket.socket:
        family, kind, protocol, _, where = address
        if refusal := networks.refusal(where[0], where[1]):
            raise FetchFailed(Reason.BLOCKED_ADDRESS, f"it resolves to {refusal}")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        resolver=GuardedResolver(networks, lookup, waited),
        socket_factory=checked_socket,
        use_dns_cache=False,
        force_close=True,
        limit=connections,
    )
