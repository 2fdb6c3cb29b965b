"""URLs of sources: their parts, what people may see of them, and what their items are called.

The form is strict, so that no two readers of a URL can take it for different hosts: a plain ASCII host name,
a dotted IPv4 address or an IPv6 address in brackets, and nothing before an `@`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import quote, unquote, urljoin

MAX_URL_CHARACTERS = 2048
PORTS = {"http": 80, "https": 443}

_HOST = r"(?P<host>[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\])"
_REST = r"(?P<path>/[^?#\x00-\x20\x7f\\]*)?(?P<query>\?[^#\x00-\x20\x7f]*)?(#[^\x00-\x20\x7f]*)?"
_URL = re.compile(rf"(?P<scheme>https?)://{_HOST}(:(?P<port>[0-9]{{1,5}}))?{_REST}")
_SENT_AS_IS = "%/:=&?~+!$,;'@()*[]-._"
_NUMERIC = re.compile(r"(0[xX][0-9A-Fa-f]*|[0-9]+)(\.(0[xX][0-9A-Fa-f]*|[0-9]+))*\.?")
"""What old resolvers take for an address: decimal, octal or hexadecimal, in one to four parts."""


class InvalidURL(ValueError):
    """Not a URL that a source may have; the message holds nothing of its query."""


@dataclass(frozen=True, slots=True)
class URL:
    """One URL in its parts; `host` without brackets, in lower case."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    """With its `?`; empty if there is none."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """What headers of a Secret may be sent to."""
        return self.scheme, self.host, self.port

    @property
    def whole(self) -> str:
        """As it is sent; holds secrets where its query does."""
        return self._address + quote(self.path + self.query, safe=_SENT_AS_IS)

    @property
    def shown(self) -> str:
        """As people may see it: without query, fragment and userinfo."""
        return self._address + self.path

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address and no name."""
        return _is_address(self.host)

    @property
    def _address(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


def parse_url(url: str) -> URL:
    """Read a URL.

    Raises:
        InvalidURL: if it is no http or https URL of the strict form, or its host is an address in another
            form than dotted IPv4 or bracketed IPv6.
    """
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARACTERS else None
    if match is None:
        raise InvalidURL(
            f"{shown(url)!r} must be http:// or https:// with a host, at most {MAX_URL_CHARACTERS} "
            "characters, without user:password@, spaces, '\\' or control characters"
        )
    host = match["host"].strip("[]").lower().rstrip(".")
    bracketed = match["host"].startswith("[")
    if bracketed != (":" in host) or (bracketed and not _is_address(host)):
        raise InvalidURL(f"{shown(url)!r} has no IPv6 address in its brackets")
    if not bracketed and _NUMERIC.fullmatch(host) and not _is_address(host):
        raise InvalidURL(
            f"{shown(url)!r} has an address that is not written as four decimal numbers; write it so"
        )
    port = int(match["port"]) if match["port"] else PORTS[match["scheme"]]
    if not 0 < port < 65536:
        raise InvalidURL(f"{shown(url)!r} has the port {port}; ports are 1 to 65535")
    return URL(match["scheme"], host, port, match["path"] or "/", match["query"] or "")


def redirected(url: URL, location: str) -> URL:
    """Where a redirect leads.

    Raises:
        InvalidURL: if the new URL is none, or is sent in clear where the old one was not.
    """
    there = parse_url(urljoin(url.whole, location.strip()))
    if url.scheme == "https" and there.scheme == "http":
        raise InvalidURL(f"{url.shown!r} leads from https to {there.shown!r}, which is sent in clear")
    return there


def shown(url: str) -> str:
    """A URL, or what should be one, without query, fragment and userinfo, for people."""
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = plain.partition("://")
    authority, slash, path = rest.partition("/") if separator else ("", "", plain)
    plain = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else path
    return plain if len(plain) <= 200 else plain[:199] + "…"


def name_of(url: URL) -> str:
    """What the item of a URL is called: the last segment of its path, decoded; may be empty."""
    try:
        return unquote(url.path.rpartition("/")[2], errors="strict")
    except UnicodeDecodeError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
