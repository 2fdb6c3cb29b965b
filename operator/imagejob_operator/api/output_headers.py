"""Headers, metadata and tags of outputs: `destination.headers`."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from imagejob_contract.wire import Wire

PRINTABLE = r"^[!-~]([ -~]*[!-~])?\Z"
"""Values that all stores sign in the same way: printable ASCII without leading or trailing spaces."""

METADATA_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
METADATA_VALUE = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")
TAG_NAME = re.compile(r"[A-Za-z0-9+=._:/@-]([A-Za-z0-9 +=._:/@-]{0,126}[A-Za-z0-9+=._:/@-])?")
TAG_VALUE = re.compile(r"[A-Za-z0-9 +=._:/@-]{0,256}")
OWN_METADATA = "imagejob-"
"""Prefix of the metadata that the operator sets."""

HeaderText = Annotated[str, Meta(min_length=1, max_length=256, pattern=PRINTABLE)]


class Headers(Wire, frozen=True):
    """Headers of every output. Content-Type follows from the format and cannot be set."""

    cache_control: HeaderText | None = None
    content_disposition: HeaderText | None = None
    storage_class: Annotated[str, Meta(max_length=32, pattern=r"^[A-Z][A-Z0-9_]*\Z")] | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=8)] = msgspec.field(default_factory=dict)
    tags: Annotated[dict[str, str], Meta(max_length=10)] = msgspec.field(default_factory=dict)


class InvalidHeaders(ValueError):
    """Metadata or tags are invalid; the message names the field."""


def check_headers(headers: Headers) -> None:
    """Raise InvalidHeaders if a name or value of metadata or tags is malformed, or a name is reserved."""
    where = "spec.destination.headers.metadata"
    for name, value in headers.metadata.items():
        if not METADATA_NAME.fullmatch(name) or name.startswith(OWN_METADATA):
            raise InvalidHeaders(
                f"{where}: name {name[:60]!r} must be 1 to 32 lowercase letters, digits and '-', starting "
                f"and ending with a letter or digit; names with the prefix {OWN_METADATA} are reserved"
            )
        if not METADATA_VALUE.fullmatch(value):
            raise InvalidHeaders(
                f"{where}.{name}: value {value[:60]!r} must be 1 to 128 printable ASCII characters "
                "without leading or trailing spaces"
            )
    where = "spec.destination.headers.tags"
    for name, value in headers.tags.items():
        if not TAG_NAME.fullmatch(name) or name.startswith("aws:"):
            raise InvalidHeaders(
                f"{where}: name {name[:60]!r} must be 1 to 128 letters, digits, spaces and + - = . _ "
                ": / @, without leading or trailing spaces; names with the prefix aws: are reserved"
            )
        if not TAG_VALUE.fullmatch(value):
            raise InvalidHeaders(
                f"{where}.{name}: value {value[:60]!r} must be at most 256 letters, digits, spaces and "
                "+ - = . _ : / @"
            )
