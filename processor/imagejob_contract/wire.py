"""The base of all values that are serialized."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

Percent = Annotated[int, Meta(ge=1, le=100)]


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Base of serialized values: immutable, camelCase, unknown fields are rejected."""


def decode(data: bytes, kind: type[T]) -> T:
    """Decode JSON that is not trusted; DecodeError for whatever is wrong with it."""
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError:
        raise msgspec.DecodeError("it is nested too deeply") from None
