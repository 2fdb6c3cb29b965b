"""Wire: the base of all values that cross a boundary, and words that several of them use."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Percent = Annotated[int, Meta(ge=1, le=100)]


class Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Base of everything that crosses a boundary: frozen, camelCase, nothing unknown accepted."""
