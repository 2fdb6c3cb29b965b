"""The encoded rendition: what `pipeline` makes and the child process sends. It imports no image library."""

from __future__ import annotations

import msgspec


class EncodedRendition(msgspec.Struct, frozen=True, tag=True):
    """One finished rendition: the name of the rendition, its size in pixels, and the file."""

    rendition: str
    width: int
    height: int
    data: bytes
