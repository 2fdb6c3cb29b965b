"""The boxes of AVIF and HEIF files (ISO base media): codecs, sizes and colours, without decoding anything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imagejob_processor.pixels.geometry import Size

_MAX_BOXES = 100_000


@dataclass(frozen=True)
class Nclx:
    """Colours by code points of ITU-T H.273."""

    primaries: int
    transfer: int


@dataclass(frozen=True)
class Media:
    """What the boxes of a file say.

    Attributes:
        codecs: Types of all items, such as `hvc1`.
        sizes: Width and height of all images before they are cropped or rotated.
        nclx: Colours of the primary image, if they are given by code points.
        track: Whether there is an image sequence.
    """

    codecs: frozenset[bytes] = frozenset()
    sizes: tuple[Size, ...] = ()
    nclx: Nclx | None = None
    track: bool = False


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List types and contents of boxes, up to the first one that is broken or truncated."""
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 8 > len(data):
            return
        size, start = int.from_bytes(data[position : position + 4], "big"), position + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), position + 16
        end = position + size if size else len(data)
        if not start <= end <= len(data):
            return
        yield data[position + 4 : position + 8], data[start:end]
        position = end


def read_media(data: bytes) -> Media:
    """Read the item boxes; parts that are broken or missing are left out."""
    meta = _first(data, b"meta")[4:]
    properties = list(boxes(_first(meta, b"iprp", b"ipco")))
    iinf = _first(meta, b"iinf")
    entries = boxes(iinf[6 if iinf[:1] == b"\0" else 8 :])
    codecs = frozenset(_item_type(box) for kind, box in entries if kind == b"infe")
    sizes = tuple((_number(box, 4, 4), _number(box, 8, 4)) for kind, box in properties if kind == b"ispe")
    return Media(codecs, sizes, _nclx(meta, properties), track=bool(_first(data, b"moov")))


def read_plays(data: bytes) -> int:
    """Return how often an image sequence is played; 0 for endless, or if the file does not say so.

    A movie that is played several times lasts that many times as long as the one edit in it.
    """
    track = _first(data, b"moov", b"trak", b"tkhd")
    edit = _first(data, b"moov", b"trak", b"edts", b"elst")
    if not edit:
        return 0
    if not edit[3:4] or not edit[3] & 1:
        return 1
    size, start = (8, 28) if track[:1] == b"\1" else (4, 20)
    duration, once = _number(track, start, size), _number(edit, 8, 8 if edit[:1] == b"\1" else 4)
    return 0 if duration == (1 << 8 * size) - 1 or not once else -(-duration // once)


def _nclx(meta: bytes, properties: list[tuple[bytes, bytes]]) -> Nclx | None:
    """Return the colours of the primary image; those of its tiles if it has none of its own."""
    own = [properties[index - 1] for index in _associated(meta) if 0 < index <= len(properties)]
    for kind, box in own + properties:
        if kind == b"colr" and box[:4] == b"nclx" and len(box) >= 8:
            return Nclx(_number(box, 4, 2), _number(box, 6, 2))
    return None


def _associated(meta: bytes) -> list[int]:
    """List the properties of the primary item, by their positions from 1."""
    pitm = _first(meta, b"pitm")
    primary = _number(pitm, 4, 4 if pitm[:1] != b"\0" else 2)
    ipma = _first(meta, b"iprp", b"ipma")
    width, wide = (4 if ipma[:1] != b"\0" else 2), ipma[3:4] and ipma[3] & 1
    position = 8
    for _ in range(min(_number(ipma, 4, 4), len(ipma))):
        item, count = _number(ipma, position, width), _number(ipma, position + width, 1)
        position += width + 1
        step = 2 if wide else 1
        if item == primary:
            mask = 0x7FFF if wide else 0x7F
            return [_number(ipma, position + step * each, step) & mask for each in range(count)]
        position += step * count
    return []


def _item_type(infe: bytes) -> bytes:
    start = 10 if infe[:1] == b"\x03" else 8
    return infe[start : start + 4]


def _first(data: bytes, *path: bytes) -> bytes:
    """Return the content of the first box at a path; empty if there is none."""
    for wanted in path:
        data = next((content for kind, content in boxes(data) if kind == wanted), b"")
    return data


def _number(data: bytes, position: int, size: int) -> int:
    return int.from_bytes(data[position : position + size], "big")
