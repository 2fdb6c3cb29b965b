"""The base of all values that are serialized."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Percent = Annotated[int, Meta(ge=1, le=100)]


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Base of serialized values: immutable, camelCase, unknown fields are rejected."""
