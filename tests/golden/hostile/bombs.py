"""Hostile files: decompression bombs, truncated files, polyglots."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, PngImagePlugin

from unit.processor.images import file, photo

SIDE = 60_000


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(side: tuple[int, int], pixels: bytes, *extra: bytes) -> bytes:
    """A greyscale PNG whose header has the size `side`, with any pixel data."""
    header = struct.pack(">IIBBBBB", *side, 8, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", zlib.compress(pixels, 9)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def huge_png() -> bytes:
    """60,000 x 60,000 pixels of zeros: 3.6 GB from 3.5 MB."""
    packer = zlib.compressobj(9)
    rows = bytes((SIDE + 1) * 100)
    first = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers to what was before, so this may stand as often as it likes.
    again = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = first + again * (SIDE // 100 - 1) + packer.flush()
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def gif(frames: int) -> bytes:
    """A GIF of so many frames of one pixel."""
    frame = b"\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00"
    head = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    return head + frame * frames + b";"


def false_jpeg(side: int) -> bytes:
    """A small JPEG whose header has the size `side` x `side`."""
    data = bytearray(file(photo(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def text_bomb(size: int = 300 << 20) -> bytes:
    """A small PNG with a compressed comment of 300 MiB."""
    packed = zlib.compress(bytes(size), 9)
    return png((8, 8), bytes(8 * 9), chunk(b"zTXt", b"Comment\x00\x00" + packed))


def profile_bomb(size: int = 300 << 20) -> bytes:
    """A small PNG with a colour profile of 300 MiB."""
    return png((8, 8), bytes(8 * 9), chunk(b"iCCP", b"sRGB\x00\x00" + zlib.compress(bytes(size), 9)))


def cut(data: bytes) -> dict[str, bytes]:
    """The file, truncated at every tenth."""
    return {f"{tenth * 10} %": data[: len(data) * tenth // 10] for tenth in range(1, 10)}


def webp_animation(frames: int) -> bytes:
    pictures = [Image.new("RGB", (2, 2), (number % 256, number // 256, 0)) for number in range(frames)]
    buffer = io.BytesIO()
    pictures[0].save(buffer, "WEBP", save_all=True, append_images=pictures[1:], lossless=True)
    return buffer.getvalue()


def located_png() -> bytes:
    """A valid PNG with a comment."""
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "here")
    return file(photo(), "PNG", pnginfo=info)


def jpeg_xl(side: int, *, boxed: bool = False) -> bytes:
    """The header of a JPEG XL of `side` x `side` pixels, without pixels."""
    fields = [(0x0AFF, 16), (0, 1), (3, 2), (side - 1, 30), (1, 3), (1, 1)]
    value = length = 0
    for field, bits in fields:
        value, length = value | field << length, length + bits
    stream = value.to_bytes(64, "little")
    if not boxed:
        return stream
    boxes = [(b"ftyp", b"jxl \0\0\0\0jxl "), (b"jxlc", stream)]
    start = b"\0\0\0\x0cJXL \r\n\x87\n"
    return start + b"".join(struct.pack(">I", 8 + len(content)) + kind + content for kind, content in boxes)


def false_heic(claimed: tuple[int, int], coded: int = 64) -> bytes:
    """An HEIC that says one size in its boxes and has another in its pixels, which are square."""
    data = bytearray(file(Image.new("RGB", (coded, coded), "red"), "HEIF", quality=20))
    at = data.index(b"ispe") + 8
    data[at : at + 8] = struct.pack(">II", *claimed)
    return bytes(data)


def tiled_heic(rows: int, columns: int, size: tuple[int, int]) -> bytes:
    """An HEIC of four tiles that says it has so many, and its size only in the description of the grid."""
    data = bytearray(file(photo(128, 128), "HEIF", tile_size=64))
    at = data.index(bytes((0, 0, 1, 1, 0, 128, 0, 128)))
    data[at : at + 8] = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, *size)
    return bytes(data)
