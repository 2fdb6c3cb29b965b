"""The parts of animations whose frames Pillow does not compose as browsers do: GIF and animated PNG."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import gif_blocks
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.rendering.frame_canvas import Disposal, Part

_GIF_DISPOSALS = {2: Disposal.CLEAR, 3: Disposal.RESTORE}
_PNG_DISPOSALS = {1: Disposal.CLEAR, 2: Disposal.RESTORE}
_CONTROL_BYTES = 26
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SHARED_CHUNKS = (b"PLTE", b"tRNS")
"""What the pixels of every frame of a PNG depend on."""


def gif_parts(data: bytes) -> Iterator[Part]:
    """Read the parts of a GIF."""
    for image in gif_blocks.read_images(data):
        disposal = _GIF_DISPOSALS.get(image.disposal, Disposal.KEEP)
        milliseconds = image.centiseconds * 10
        file = gif_blocks.alone(image)
        yield Part(image.left, image.top, image.size, milliseconds, disposal, True, file)


def png_parts(data: bytes, size: Size) -> Iterator[Part]:
    """Read the parts of an animated PNG of `size`; a default image is none of them.

    Raises:
        ItemFailure: IMG_001, a part is not within the image.
    """
    header, shared, control, pixels = b"", [], b"", []
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            header = content[8:]
        elif kind in _SHARED_CHUNKS:
            shared.append(_chunk(kind, content))
        elif kind == b"IDAT" and control:
            pixels.append(content)
        elif kind == b"fdAT" and control:
            pixels.append(content[4:])
        elif kind == b"fcTL":
            if pixels:
                yield _png_part(control, header, b"".join(shared), b"".join(pixels), size)
            control, pixels = content, []
        elif kind == b"IEND":
            break
    if pixels:
        yield _png_part(control, header, b"".join(shared), b"".join(pixels), size)


def _png_part(control: bytes, header: bytes, shared: bytes, pixels: bytes, size: Size) -> Part:
    if len(control) < _CONTROL_BYTES:
        raise _corrupt("a frame has no size")
    width, height, left, top, numerator, denominator, disposal, blended = struct.unpack_from(
        ">IIIIHHBB", control, 4
    )
    if left + width > size[0] or top + height > size[1]:
        raise _corrupt(f"a frame of {width}x{height} at {left},{top} is not within {size[0]}x{size[1]}")
    file = _SIGNATURE + _chunk(b"IHDR", struct.pack(">II", width, height) + header) + shared
    file += _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    milliseconds = 1000 * numerator / (denominator or 100)
    kind = _PNG_DISPOSALS.get(disposal, Disposal.KEEP)
    return Part(left, top, (width, height), milliseconds, kind, bool(blended), file)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Read the kind and content of each chunk, up to the first that is truncated."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def _corrupt(reason: str) -> ItemFailure:
    return ItemFailure(ItemCode.UNDECODABLE, f"the PNG file is corrupt: {reason}")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
