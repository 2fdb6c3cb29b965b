"""GIF files as blocks: the images of a file with their places and delays, read and written without decoding.

Pillow decodes and encodes the pixels of one image at a time; which pixels of which image are shown when is
decided here and by `rendering.frame_canvas`, as browsers do.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from imagejob_processor.pixels.geometry import Size

MAX_CENTISECONDS = 65535

_LOOPING = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_TRAILER, _IMAGE, _EXTENSION = 0x3B, 0x2C, 0x21
_CONTROL, _APPLICATION = 0xF9, 0xFF
_TABLE, _INTERLACED = 0x80, 0x40
_TABLE_BYTES = 3 * 256
_Control: TypeAlias = tuple[int, int, int | None]
_NO_CONTROL: _Control = (0, 0, None)


@dataclass(frozen=True)
class GifImage:
    """One image of a GIF file.

    Attributes:
        left: Distance from the left edge of the canvas.
        top: Distance from the upper edge.
        size: Width and height; either may be 0.
        centiseconds: The delay after it.
        disposal: What follows the delay: 0 and 1 nothing, 2 it is cleared, 3 the canvas is restored.
        transparent: Index of the transparent colour, if there is one.
        colours: Red, green and blue of each index; those that are missing are black.
        interlaced: Whether its lines are interlaced.
        data: The compressed indices.
    """

    left: int
    top: int
    size: Size
    centiseconds: int
    disposal: int
    transparent: int | None
    colours: bytes
    interlaced: bool
    data: bytes


def read_images(data: bytes) -> Iterator[GifImage]:
    """Read the images of a GIF, up to the first byte that begins no block; the last one may be truncated."""
    common, _ = _colours(data, 10, 13)
    control = _NO_CONTROL
    for kind, start, end in _blocks(data):
        if kind == _EXTENSION and data[start + 1 : start + 3] == bytes((_CONTROL, 4)):
            control = _control(data[start + 3 : start + 7])
        elif kind == _IMAGE:
            left, top, width, height, flags = struct.unpack_from("<HHHHB", data, start + 1)
            own, pixels = _colours(data, start + 9, start + 10)
            place = (left, top, (width, height), *control, own or common)
            yield GifImage(*place, bool(flags & _INTERLACED), data[pixels:end])
            control = _NO_CONTROL


def read_repeats(data: bytes) -> int | None:
    """Return how often a GIF is repeated after it was played once, 0 for endless; None: never."""
    repeats = None
    for kind, start, _ in _blocks(data):
        block = data[start + 1 : start + 18]
        if kind == _EXTENSION and block[2:13] in _LOOPING and block[13:15] == b"\3\1":
            repeats = int.from_bytes(block[15:17], "little")
    return repeats


def write_gif(size: Size, images: Iterable[GifImage], repeats: int | None) -> bytes:
    """Write a GIF: `repeats` as in `read_repeats`; each image has its own table of colours."""
    parts = [b"GIF89a", struct.pack("<HHBBB", *size, 0x70, 0, 0)]
    if repeats is not None:
        head = bytes((_EXTENSION, _APPLICATION, 11)) + _LOOPING[0]
        parts.append(head + b"\3\1" + struct.pack("<H", repeats) + b"\0")
    for image in images:
        flags = image.disposal << 2 | (image.transparent is not None)
        control = struct.pack("<BHBB", flags, image.centiseconds, image.transparent or 0, 0)
        parts.append(bytes((_EXTENSION, _CONTROL, 4)) + control)
        flags = _TABLE | _INTERLACED * image.interlaced | 7
        parts.append(bytes((_IMAGE,)) + struct.pack("<HHHHB", image.left, image.top, *image.size, flags))
        parts += [image.colours.ljust(_TABLE_BYTES, b"\0"), image.data]
    return b"".join((*parts, bytes((_TRAILER,))))


def alone(image: GifImage) -> bytes:
    """Return the file of one image that fills its canvas."""
    return write_gif(image.size, [replace(image, left=0, top=0, disposal=0, centiseconds=0)], None)


def _blocks(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Find the kind, start and end of every extension and image."""
    _, position = _colours(data, 10, 13)
    while position + 10 < len(data):
        start, kind = position, data[position]
        if kind == _EXTENSION:
            position = _after_chain(data, position + 2)
        elif kind == _IMAGE:
            position = _after_chain(data, _colours(data, position + 9, position + 10)[1] + 1)
        else:
            return
        yield kind, start, position


def _control(block: bytes) -> _Control:
    """Read delay, disposal and transparent colour of the next image."""
    flags, delay, clear = struct.unpack("<BHB", block.ljust(4, b"\0"))
    # Some old encoders write 4 for 3.
    disposal = {2: 2, 3: 3, 4: 3}.get(flags >> 2 & 7, 0)
    return delay, disposal, clear if flags & 1 else None


def _colours(data: bytes, flags: int, start: int) -> tuple[bytes, int]:
    """Return the table of colours at `start` if the byte at `flags` announces one, and its end."""
    packed = data[flags] if flags < len(data) else 0
    end = start + (3 << ((packed & 7) + 1) if packed & _TABLE else 0)
    return data[start:end], end


def _after_chain(data: bytes, position: int) -> int:
    """Skip a chain of length-prefixed blocks."""
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1
