"""The chunks of a PNG: what a decoder needs is kept, and the rest is left out before anything is inflated.

A large or broken text chunk that is not needed does not fail the image. The transparent colour is replaced by
the value that Pillow compares with the samples it decodes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.headers.header import Header, Samples

_SIGNATURE = 8
_FRAME = 12
"""Length, type and checksum of a chunk."""

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _PALETTE: (1, 2, 4, 8)} | dict.fromkeys(
    (_RGB, _GREY_ALPHA, _RGB_ALPHA), (8, 16)
)
_KEPT = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"eXIf": 8}
"""Chunks that may be needed, if they have so many bytes."""

_PIXELS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")
"""Chunks that a decoder may ignore, but not without other pixels."""

_TEXTS = (b"XML:com.adobe.xmp", b"Raw profile type exif")
_MAX_TEXT = 1 << 20
_MAX_PROFILE = 8 << 20


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    content: memoryview
    start: int
    end: int
    checksum: int

    @property
    def name(self) -> str:
        return self.kind.decode("ascii")

    @property
    def critical(self) -> bool:
        return not self.kind[0] & 0x20

    @property
    def intact(self) -> bool:
        return zlib.crc32(self.content, zlib.crc32(self.kind)) == self.checksum


def read_png(data: bytes) -> Header:
    """Check the chunks of a PNG, and keep those that are needed. A file that is cut off stays so.

    Raises:
        ItemFailure: IMG_001, a chunk that matters is broken. IMG_002, the profile is too large. IMG_003, the
            file is for iOS only.
    """
    reader, needed, start = _Reader(), bytearray(), 0
    for chunk in _chunks(data):
        replacement = reader.read(chunk)
        if replacement is not None:
            needed += memoryview(data)[start : chunk.start]
            needed += replacement
            start = chunk.end
    kept = bytes(needed + memoryview(data)[start:]) if start else data
    return Header(kept, Samples(clear=reader.clear), reader.profile)


class _Reader:
    """Reads chunk by chunk."""

    def __init__(self) -> None:
        self.profile: bytes | None = None
        self.clear: tuple[int, int, int] | None = None
        self._depth = self._colour = 0
        self._kinds: set[bytes] = set()

    def read(self, chunk: _Chunk) -> bytes | None:
        """Return what to put in the place of a chunk; None to keep it."""
        if not chunk.intact:
            if chunk.critical or chunk.kind in _PIXELS:
                raise _corrupt(f"the checksum of its chunk {chunk.name} is wrong")
            return b""
        if chunk.kind == b"CgBI":
            text = "PNG in Apple's CgBI variant is not supported; convert it to PNG"
            raise ItemFailure(ItemCode.UNSUPPORTED_FORMAT, text)
        if not self._kinds:
            self._depth, self._colour = _header(chunk)
        seen = chunk.kind in self._kinds
        self._kinds.add(chunk.kind)
        match chunk.kind:
            case b"IDAT" if self._colour == _PALETTE and b"PLTE" not in self._kinds:
                raise _corrupt("it has no palette")
            case b"iCCP":
                self.profile = self.profile or _profile(chunk)
                return b""
            case b"tRNS":
                return b"" if seen else self._transparency(chunk)
        if chunk.critical or chunk.kind in _PIXELS or _is_needed_text(chunk):
            return None
        return None if len(chunk.content) >= _KEPT.get(chunk.kind, len(chunk.content) + 1) else b""

    def _transparency(self, chunk: _Chunk) -> bytes | None:
        """Replace the transparent colour by the one that Pillow will find in the samples it decodes."""
        if self._colour == _PALETTE:
            return None
        if self._colour not in (_GREY, _RGB):
            return b""
        values = _clear_colour(chunk, self._depth, self._colour)
        if len(values) == 3 and self._depth == 16:
            self.clear = (values[0], values[1], values[2])
        return _chunk(chunk.kind, struct.pack(f">{len(values)}H", *values))


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """List the complete chunks up to the last one."""
    view, at = memoryview(data), _SIGNATURE
    while at + _FRAME <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + _FRAME + length
        if not kind.isalpha():
            raise _corrupt(f"it has no chunk at byte {at}")
        if end > len(data):
            return
        checksum = int.from_bytes(data[end - 4 : end], "big")
        yield _Chunk(kind, view[at + 8 : end - 4], at, end, checksum)
        if kind == b"IEND":
            return
        at = end


def _header(chunk: _Chunk) -> tuple[int, int]:
    """Return depth and colour type."""
    if chunk.kind != b"IHDR" or len(chunk.content) != 13:
        raise _corrupt("it has no header")
    width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", chunk.content)
    if depth not in _DEPTHS.get(colour, ()):
        raise _corrupt(f"depth {depth} with colour type {colour} does not exist")
    if not width or not height:
        raise _corrupt(f"its size is {width}x{height}")
    if methods[:2] != [0, 0] or methods[2] > 1:
        raise _corrupt("its compression, filter or interlace method does not exist")
    return depth, colour


def _clear_colour(chunk: _Chunk, depth: int, colour: int) -> tuple[int, ...]:
    """Return the transparent colour as the samples are decoded: 16 bits, or scaled to 8."""
    samples = 3 if colour == _RGB else 1
    if len(chunk.content) < 2 * samples:
        raise _corrupt(f"its chunk tRNS has {len(chunk.content)} bytes instead of {2 * samples}")
    most = (1 << depth) - 1
    scale = 255 // most if depth in (2, 4) else 1
    return tuple((value & most) * scale for value in struct.unpack_from(f">{samples}H", chunk.content))


def _profile(chunk: _Chunk) -> bytes | None:
    """Return the profile; None if it is broken."""
    _, _, packed = bytes(chunk.content).partition(b"\0")
    try:
        unpacked = _inflate(packed[1:], _MAX_PROFILE) if packed[:1] == b"\0" else b""
    except zlib.error:
        return None
    if unpacked is None:
        raise ItemFailure(
            ItemCode.TOO_LARGE,
            f"the ICC profile of the PNG has more than {_MAX_PROFILE} bytes; convert the image to sRGB",
        )
    return unpacked or None


def _is_needed_text(chunk: _Chunk) -> bool:
    """Whether a text has metadata that may be needed and is not too large."""
    keyword, _, rest = bytes(chunk.content[:80]).partition(b"\0")
    if chunk.kind not in (b"tEXt", b"zTXt", b"iTXt") or keyword not in _TEXTS:
        return False
    if len(chunk.content) > _MAX_TEXT:
        return False
    if chunk.kind == b"tEXt" or (chunk.kind == b"iTXt" and rest[:1] == b"\0"):
        return True
    _, _, rest = bytes(chunk.content).partition(b"\0")
    packed = rest[1:] if chunk.kind == b"zTXt" else rest[2:].split(b"\0", 2)[-1]
    try:
        return _inflate(packed, _MAX_TEXT) is not None
    except zlib.error:
        return False


def _inflate(packed: bytes, limit: int) -> bytes | None:
    """Inflate at most `limit` bytes; None if there are more."""
    inflater = zlib.decompressobj()
    unpacked = inflater.decompress(packed, limit)
    return None if inflater.unconsumed_tail else unpacked


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def _corrupt(reason: str) -> ItemFailure:
    return ItemFailure(ItemCode.UNDECODABLE, f"the PNG file is corrupt: {reason}")
