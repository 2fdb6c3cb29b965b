"""Headers that a user may have sent to a web server, from a Secret."""

from __future__ import annotations

import re
from collections.abc import Mapping

MAX_HEADERS = 16
MAX_VALUE = 4096

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,128}")
_OURS = {
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
"""They say how the request is sent, which is ours to say."""


class InvalidHeader(ValueError):
    """A header that cannot be sent; the message names it and never its value."""


def request_headers(data: Mapping[str, str]) -> dict[str, str]:
    """Headers from the data of a Secret: each key a name, each value a value, spaces around it taken off.

    Raises:
        InvalidHeader: for none, too many, a name or value that is no header's, or one that is ours.
    """
    if not 1 <= len(data) <= MAX_HEADERS:
        raise InvalidHeader(
            f"it has {len(data)} keys; 1 to {MAX_HEADERS} are taken, each a header by its name"
        )
    headers = {name: value.strip() for name, value in data.items()}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidHeader(f"the key {name[:60]!r} is no name of a header")
        if name.lower() in _OURS:
            raise InvalidHeader(f"the header {name!r} is set by the operator; remove it")
        if len(value) > MAX_VALUE or not value.isascii() or not value.isprintable():
            raise InvalidHeader(
                f"the value of {name!r} must be at most {MAX_VALUE} printable ASCII characters in one line"
            )
    return headers
