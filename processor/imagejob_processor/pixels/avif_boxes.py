"""What Pillow neither reads nor writes of an animated AVIF: how often it is played.

A movie that is played several times lasts that many times as long as the one edit in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

ENDLESS = 0

_CONTAINERS = (b"moov", b"trak", b"edts", b"mdia")
_REPEATING = 1
_INDEFINITE = {0: 2**32 - 1, 1: 2**64 - 1}
_DURATIONS = {b"mvhd": 24, b"tkhd": 28}
"""Where the duration of the whole movie is in version 1 of a box."""

_DATED = (b"mvhd", b"tkhd", b"mdhd")
_DATES = slice(4, 20)
_TRACK_BYTES, _EDIT_BYTES = 36, 16


def read_plays(data: bytes) -> int:
    """Return how often an animated AVIF is played; one that does not say so is endless."""
    found: dict[bytes, bytes] = {}
    for kind, start, end in _boxes(data, 0, len(data)):
        if kind in (b"tkhd", b"elst"):
            # The first track is that of the colours.
            found.setdefault(kind, data[start:end])
    track, edit = found.get(b"tkhd", b""), found.get(b"elst", b"")
    if len(track) < _TRACK_BYTES or len(edit) < _EDIT_BYTES:
        return ENDLESS
    if not edit[3] & _REPEATING:
        return 1
    version, long = track[0], edit[0]
    (duration,) = struct.unpack_from(">Q" if version else ">I", track, 28 if version else 20)
    (once,) = struct.unpack_from(">Q" if long else ">I", edit, 8)
    return ENDLESS if duration == _INDEFINITE[min(version, 1)] or not once else -(-duration // once)


def with_plays(data: bytes, plays: int) -> bytes:
    """Return an animated AVIF, as Pillow writes it, that is played so often, without its time of creation."""
    written = bytearray(data)
    boxes = list(_boxes(data, 0, len(data)))
    edit = next(start for kind, start, _ in boxes if kind == b"elst")
    (once,) = struct.unpack_from(">Q", data, edit + 8)
    for kind, start, _ in boxes:
        if kind in _DATED:
            written[start + _DATES.start : start + _DATES.stop] = bytes(16)
        if kind in _DURATIONS and plays != ENDLESS:
            struct.pack_into(">Q", written, start + _DURATIONS[kind], once * plays)
    return bytes(written)


def _boxes(data: bytes, start: int, end: int, depth: int = 0) -> Iterator[tuple[bytes, int, int]]:
    """Find kind, start and end of the content of each box, also within containers."""
    while start + 8 <= end:
        length, kind = int.from_bytes(data[start : start + 4], "big"), data[start + 4 : start + 8]
        head = 16 if length == 1 else 8
        length = int.from_bytes(data[start + 8 : start + 16], "big") if length == 1 else length or end - start
        if length < head:
            return
        after = min(start + length, end)
        if kind in _CONTAINERS and depth < len(_CONTAINERS):
            yield from _boxes(data, start + head, after, depth + 1)
        else:
            yield kind, start + head, after
        start = after
