"""JPEG XL: the header, read before anything is decoded, and the decoder.

The decoder is libjxl. Its Python package decodes a file when it opens it, so everything that can refuse a
file is read from its header here: the size, and what the package does not decode right. The package gets the
bare codestream, whose pixels are then always upright, with the metadata taken from the container here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.notes import note
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.rendering.iso_media import boxes

CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_ALPHA, _SPOT, _BLACK, _CFA = 0, 2, 4, 5
_TIFF = (b"II*\0", b"MM\0*")
_METADATA = {b"Exif": "EXIF", b"xml ": "XMP"}
_COMPRESSED = "compressed_metadata"
_PREMULTIPLIED = {"RGBA": "RGBa", "LA": "La"}
_MAX_EXTRA_CHANNELS = 64
_SIDE = ((9, 1), (13, 1), (18, 1), (30, 1))
_ENUM = ((0, 0), (0, 1), (4, 2), (6, 18))


@dataclass(frozen=True)
class Header:
    """What a header says.

    Attributes:
        size: Width and height of the upright image.
        animated: Whether it is an animation.
        black: Whether it has a channel of black ink, that is, whether it is CMYK.
        premultiplied: Whether colours are multiplied by alpha.
    """

    size: Size
    animated: bool = False
    black: bool = False
    premultiplied: bool = False


def read_jpeg_xl_header(data: bytes) -> Header:
    """Read the header of a file.

    Raises:
        OSError: The file is truncated or corrupt.
    """
    return _read_jpeg_xl_header(_Bits(_codestream(data)))


def open_jpeg_xl(data: bytes, header: Header) -> Image.Image:
    """Decode a file whose size has been checked.

    Raises:
        ItemFailure: IMG_003 for animations and CMYK.
        Exception: The file is truncated or corrupt.
    """
    for found, name in ((header.animated, "an animated JPEG XL"), (header.black, "JPEG XL in CMYK")):
        if found:
            text = f"{name} is not supported; convert it to another format"
            raise ItemFailure(ItemCode.UNSUPPORTED_FORMAT, text)
    from pillow_jxl import JpegXLImagePlugin

    JpegXLImagePlugin.DECODE_THREADS = 0
    image: Image.Image = JpegXLImagePlugin.JXLImageFile(BytesIO(_codestream(data)))
    if image.size != header.size:
        raise OSError("the size in the header is not that of the image")
    if header.premultiplied and image.mode in _PREMULTIPLIED:
        straight = Image.frombytes(_PREMULTIPLIED[image.mode], image.size, image.tobytes())
        straight = straight.convert(image.mode)
        straight.info, straight.format = image.info, image.format
        image = straight
    image.info.update(_metadata(data))
    return image


def note_compressed_metadata(image: Image.Image) -> None:
    """Note that an image has metadata that cannot be read."""
    for name, size in image.info.get(_COMPRESSED, {}).items():
        note(f"{name} of {size} bytes was dropped: in JPEG XL, it cannot be read if it is compressed")


def _metadata(data: bytes) -> dict[str, Any]:
    """Return EXIF and XMP that are not compressed, under Pillow's names, and the sizes of others."""
    found: dict[str, Any] = {}
    for kind, content in _boxes(data):
        if kind == b"Exif" and len(content) > 4:
            # Some writers leave out the offset of the block.
            offset = 0 if content[:4] in _TIFF else 4 + int.from_bytes(content[:4], "big")
            found.setdefault("exif", content[offset:])
        elif kind == b"xml ":
            found.setdefault("xmp", content)
        elif kind == b"brob" and content[:4] in _METADATA:
            found.setdefault(_COMPRESSED, {})[_METADATA[content[:4]]] = len(content) - 4
    return found


def _codestream(data: bytes) -> bytes:
    if not data.startswith(CONTAINER):
        return data
    parts = [content[4 * (kind == b"jxlp") :] for kind, content in _boxes(data) if kind in (b"jxlc", b"jxlp")]
    return b"".join(parts)


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """List the boxes of a container; those of a bare codestream are none."""
    return boxes(data) if data.startswith(CONTAINER) else iter(())


class _Bits:
    """Reads the fields of a codestream, the lowest bit of each byte first."""

    def __init__(self, data: bytes) -> None:
        # No header that is read here is longer.
        self._value = int.from_bytes(data[:8192], "little")
        self._left = 8 * len(data[:8192])

    def take(self, bits: int) -> int:
        if bits > self._left:
            raise OSError("the header is truncated")
        value = self._value & ((1 << bits) - 1)
        self._value >>= bits
        self._left -= bits
        return value

    def flag(self) -> bool:
        return bool(self.take(1))

    def choice(self, *ways: tuple[int, int]) -> int:
        """Read a number in one of four ways: so many bits, plus an offset."""
        bits, offset = ways[self.take(2)]
        return self.take(bits) + offset


def _read_jpeg_xl_header(bits: _Bits) -> Header:
    if bits.take(16) != 0x0AFF:
        raise OSError("the codestream has no signature")
    size = _read_size(bits)
    if bits.flag():
        return Header(size)
    animated = False
    if bits.flag():
        orientation = bits.take(3) + 1
        size = (size[1], size[0]) if orientation >= 5 else size
        if bits.flag():
            _read_size(bits)
        if bits.flag():
            _read_preview(bits)
        animated = bits.flag()
        if animated:
            bits.choice((0, 100), (0, 1000), (10, 1), (30, 1))
            bits.choice((0, 1), (0, 1001), (8, 1), (10, 1))
            bits.choice((0, 0), (3, 0), (16, 0), (32, 0))
            bits.flag()
    _read_depth(bits)
    bits.flag()
    count = bits.choice((0, 0), (0, 1), (4, 2), (12, 1))
    if count > _MAX_EXTRA_CHANNELS:
        raise OSError(f"the image has {count} extra channels")
    channels = [_read_extra_channel(bits) for _ in range(count)]
    return Header(size, animated, (_BLACK, False) in channels, (_ALPHA, True) in channels)


def _read_size(bits: _Bits) -> Size:
    small = bits.flag()
    height = 8 * (bits.take(5) + 1) if small else bits.choice(*_SIDE)
    ratio = bits.take(3)
    if ratio:
        across, down = _RATIOS[ratio]
        return (height * across // down, height)
    return (8 * (bits.take(5) + 1) if small else bits.choice(*_SIDE), height)


def _read_preview(bits: _Bits) -> None:
    eighths = ((0, 16), (0, 32), (5, 1), (9, 33))
    sides = eighths if bits.flag() else ((6, 1), (8, 65), (10, 321), (12, 1345))
    bits.choice(*sides)
    if not bits.take(3):
        bits.choice(*sides)


def _read_depth(bits: _Bits) -> None:
    if bits.flag():
        bits.choice((0, 32), (0, 16), (0, 24), (6, 1))
        bits.take(4)
    else:
        bits.choice((0, 8), (0, 10), (0, 12), (6, 1))


def _read_extra_channel(bits: _Bits) -> tuple[int, bool]:
    """Return the kind of a channel, and for alpha whether colours are multiplied by it."""
    if bits.flag():
        return (_ALPHA, False)
    kind = bits.choice(*_ENUM)
    _read_depth(bits)
    bits.choice((0, 0), (0, 3), (0, 4), (3, 1))
    bits.take(8 * bits.choice((0, 0), (4, 0), (5, 16), (10, 48)))
    if kind == _SPOT:
        bits.take(64)
    elif kind == _CFA:
        bits.choice((0, 1), (2, 0), (4, 3), (8, 19))
    return (kind, kind == _ALPHA and bits.flag())
