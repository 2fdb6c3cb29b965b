"""What users want stored beside the bytes of an output: `destination.headers`."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from imagejob_contract.wire import Wire

PRINTABLE = r"^[!-~]([ -~]*[!-~])?\Z"
"""What a header may carry on every store, without blanks at its ends: anything else is signed differently."""

METADATA_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?")
METADATA_VALUE = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")
TAG_NAME = re.compile(r"[A-Za-z0-9+=._:/@-]([A-Za-z0-9 +=._:/@-]{0,126}[A-Za-z0-9+=._:/@-])?")
TAG_VALUE = re.compile(r"[A-Za-z0-9 +=._:/@-]{0,256}")
OWN_METADATA = "imagejob-"
"""Names of metadata that the operator sets itself begin so."""

HeaderText = Annotated[str, Meta(min_length=1, max_length=256, pattern=PRINTABLE)]


class Headers(Wire, frozen=True):
    """What every output is stored with. Its Content-Type follows from the format and cannot be set."""

    cache_control: HeaderText | None = None
    content_disposition: HeaderText | None = None
    storage_class: Annotated[str, Meta(max_length=32, pattern=r"^[A-Z][A-Z0-9_]*\Z")] | None = None
    metadata: Annotated[dict[str, str], Meta(max_length=8)] = msgspec.field(default_factory=dict)
    tags: Annotated[dict[str, str], Meta(max_length=10)] = msgspec.field(default_factory=dict)


class InvalidHeaders(ValueError):
    """Metadata or tags that the store or the operator would not take; the message names the field."""


def check_headers(headers: Headers) -> None:
    """Check names and values of metadata and tags.

    Raises:
        InvalidHeaders: for one that is out of shape, or that the operator or the store keeps for itself.
    """
    where = "spec.destination.headers.metadata"
    for name, value in headers.metadata.items():
        if not METADATA_NAME.fullmatch(name) or name.startswith(OWN_METADATA):
            raise InvalidHeaders(
                f"{where}: the name {name[:60]!r} must be 1 to 32 lower-case letters, digits and inner '-', "
                f"and must not start with {OWN_METADATA!r}"
            )
        if not METADATA_VALUE.fullmatch(value):
            raise InvalidHeaders(
                f"{where}.{name}: the value {value[:60]!r} must be 1 to 128 printable ASCII characters "
                "without blanks at its ends"
            )
    where = "spec.destination.headers.tags"
    for name, value in headers.tags.items():
        if not TAG_NAME.fullmatch(name) or name.startswith("aws:"):
            raise InvalidHeaders(
                f"{where}: the name {name[:60]!r} must be 1 to 128 letters, digits, inner blanks and "
                "+ - = . _ : / @, and must not start with 'aws:'"
            )
        if not TAG_VALUE.fullmatch(value):
            raise InvalidHeaders(
                f"{where}.{name}: the value {value[:60]!r} must be at most 256 letters, digits, blanks and "
                "+ - = . _ : / @"
            )
