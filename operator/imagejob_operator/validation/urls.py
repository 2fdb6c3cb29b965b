"""Parsing of source URLs, in a strict form, so that all parsers find the same host."""

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
"""Forms that some resolvers accept as an address: decimal, octal or hexadecimal, in one to four parts."""


class InvalidURL(ValueError):
    """A URL is invalid; the message does not contain its query."""


@dataclass(frozen=True, slots=True)
class URL:
    """The parts of a URL; `host` is in lower case without brackets."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""
    """Includes the `?`; may be empty."""

    @property
    def origin(self) -> tuple[str, str, int]:
        """The origin, to which request headers are restricted."""
        return self.scheme, self.host, self.port

    @property
    def whole(self) -> str:
        """The URL as requested; the query may contain secrets."""
        return self.shown_origin + quote(self.path + self.query, safe=_SENT_AS_IS)

    @property
    def shown(self) -> str:
        """The URL for messages: without query, fragment and userinfo."""
        return self.shown_origin + self.path

    @property
    def shown_origin(self) -> str:
        """The origin as text, without the default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")


def parse_url(url: str) -> URL:
    """Parse a URL; raises InvalidURL."""
    match = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARACTERS else None
    if match is None:
        raise InvalidURL(
            f"{shown(url)!r} must start with http:// or https:// and an ASCII host, have at most "
            f"{MAX_URL_CHARACTERS} characters, and must not contain user:password@, spaces, '\\' or control "
            "characters"
        )
    host = match["host"].strip("[]").lower().rstrip(".")
    bracketed = match["host"].startswith("[")
    if bracketed != (":" in host) or (bracketed and not is_address(host)):
        raise InvalidURL(f"{shown(url)!r} must have an IPv6 address in the brackets")
    if not bracketed and _NUMERIC.fullmatch(host) and not is_address(host):
        raise InvalidURL(f"{shown(url)!r} has an invalid IPv4 address; write it as four decimal numbers")
    port = int(match["port"]) if match["port"] else PORTS[match["scheme"]]
    if not 0 < port < 65536:
        raise InvalidURL(f"{shown(url)!r} has port {port}; the port must be 1 to 65535")
    return URL(match["scheme"], host, port, match["path"] or "/", match["query"] or "")


def origin_of(url: str) -> tuple[str, str, int]:
    """The origin that a text such as `https://host:port` names; raises InvalidURL for anything more."""
    parsed = parse_url(url)
    if parsed.path != "/" or set(url) & set("?#"):
        raise InvalidURL(f"{shown(url)!r} must not have a path, query or fragment")
    return parsed.origin


def redirected(url: URL, location: str) -> URL:
    """The target of a redirect; raises InvalidURL if it is invalid, or leads from https to http."""
    target = parse_url(urljoin(url.whole, location.strip()))
    if url.scheme == "https" and target.scheme == "http":
        raise InvalidURL(f"{url.shown!r} redirects from https to {target.shown!r}, which is not encrypted")
    return target


def shown(url: str) -> str:
    """A possibly invalid URL for messages: without query, fragment and userinfo, at most 200 characters."""
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    scheme, separator, rest = plain.partition("://")
    authority, slash, path = rest.partition("/") if separator else ("", "", plain)
    plain = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}" if separator else path
    return plain if len(plain) <= 200 else plain[:199] + "…"


def name_of(url: URL) -> str:
    """The decoded last segment of the path, which is the source key; may be empty."""
    try:
        return unquote(url.path.rpartition("/")[2], errors="strict")
    except UnicodeDecodeError:
        return ""


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
