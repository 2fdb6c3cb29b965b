"""Request headers that a user keeps in a Secret: whether they may be sent, and whether they are valid.

Users name Secrets that they may not be able to read, so the owner of a Secret decides who receives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from imagejob_operator.naming.names import HEADER_ORIGINS
from imagejob_operator.validation.urls import InvalidURL, origin_of, parse_url

MAX_HEADERS = 16
MAX_VALUE = 4096

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_|~-]{1,128}")
_OWN = re.compile(
    "accept-encoding|connection|content-length|expect|host|keep-alive|proxy-authorization|proxy-connection|"
    "range|te|trailer|transfer-encoding|upgrade"
)
"""Headers that the operator sets."""


class NotForThisOrigin(ValueError):
    """The Secret may not be sent there; the message shows nothing of its contents."""


class InvalidHeader(ValueError):
    """A header is invalid; the message names it without its value."""


def check_origin(annotations: Mapping[str, str], url: str) -> None:
    """Raise NotForThisOrigin unless the annotation of a Secret names the origin of a URL."""
    wanted = parse_url(url)
    for entry in annotations.get(HEADER_ORIGINS, "").split(","):
        try:
            if origin_of(entry.strip()) == wanted.origin:
                return
        except InvalidURL:
            continue
    raise NotForThisOrigin(
        f"it may not be sent to {wanted.shown_origin}, because its annotation {HEADER_ORIGINS} does not name "
        f"that origin; if it is meant to be, its owner can add {wanted.shown_origin} to the annotation"
    )


def request_headers(data: Mapping[str, str]) -> dict[str, str]:
    """The headers in the data of a Secret, with stripped values; raises InvalidHeader."""
    if not 1 <= len(data) <= MAX_HEADERS:
        raise InvalidHeader(f"it must have 1 to {MAX_HEADERS} keys, one per header, found {len(data)}")
    headers = {name: value.strip() for name, value in data.items()}
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name):
            raise InvalidHeader(f"the key {name[:60]!r} is not a valid header name")
        if _OWN.fullmatch(name.lower()):
            raise InvalidHeader(f"the header {name!r} is set by the operator; remove it")
        if len(value) > MAX_VALUE or not value.isascii() or not value.isprintable():
            raise InvalidHeader(
                f"the value of {name!r} must have at most {MAX_VALUE} printable ASCII characters"
            )
    return headers
