"""What Pillow cannot write into an animated AVIF: how often it is played, and no time of creation.

A movie that is played several times lasts that many times as long as the one edit in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

ENDLESS = 0

_CONTAINERS = (b"moov", b"trak", b"edts", b"mdia")
_EDIT_DURATION = 8
_DURATIONS = {b"mvhd": 24, b"tkhd": 28}
"""Where the duration of the whole movie is in the boxes that Pillow writes, of version 1."""

_DATED = (b"mvhd", b"tkhd", b"mdhd")
_DATES = 4
"""Where the times of creation and modification are."""


def with_plays(data: bytes, plays: int) -> bytes:
    """Return an animated AVIF of Pillow that is played so often, without its time of creation."""
    written = bytearray(data)
    boxes = list(_boxes(data, 0, len(data)))
    edit = next(start for kind, start in boxes if kind == b"elst")
    (once,) = struct.unpack_from(">Q", data, edit + _EDIT_DURATION)
    for kind, start in boxes:
        if kind in _DATED:
            struct.pack_into(">QQ", written, start + _DATES, 0, 0)
        if kind in _DURATIONS and plays != ENDLESS:
            struct.pack_into(">Q", written, start + _DURATIONS[kind], once * plays)
    return bytes(written)


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """Find kind and start of the content of each box, also within containers."""
    while start < end:
        length, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        if kind in _CONTAINERS:
            yield from _boxes(data, start + 8, start + length)
        else:
            yield kind, start + 8
        start += length
