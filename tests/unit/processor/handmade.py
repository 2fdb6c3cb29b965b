"""PNG, TIFF and BMP files written byte by byte, of every depth: Pillow writes few of them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

Rows = Sequence[Sequence[Sequence[int]]]
"""Rows of pixels of samples."""


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def packed(samples: Sequence[int], bits: int, order: str = ">") -> bytes:
    """One row of samples, filled up to whole bytes."""
    if bits == 16:
        return struct.pack(f"{order}{len(samples)}H", *samples)
    text = "".join(f"{sample:0{bits}b}" for sample in samples)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))


def flat(row: Sequence[Sequence[int]]) -> list[int]:
    return [sample for pixel in row for sample in pixel]


ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(rows: Rows, depth: int, colour: int, *extra: bytes, interlaced: bool = False) -> bytes:
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), depth, colour, 0, 0, interlaced)
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    lines = [row[left::across] for left, top, across, down in passes for row in rows[top::down]]
    pixels = zlib.compress(b"".join(b"\0" + packed(flat(line), depth) for line in lines if line))
    body = b"".join(extra) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body


def tiff(
    size: tuple[int, int], strips: Sequence[bytes], tags: dict[int, Sequence[int]], order: str = "<"
) -> bytes:
    """A TIFF of one page, with the tags that are given beside its size and the places of its strips."""
    out = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    places = []
    for strip in strips:
        places.append(len(out))
        out += strip + b"\0" * (len(strip) % 2)
    own = {256: size[:1], 257: size[1:], 273: places, 278: size[1:], 279: [len(strip) for strip in strips]}
    entries = []
    for tag, values in sorted((own | tags).items()):
        kind, letter = (4, "I") if tag in (254, 273, 279, 330) else (1, "B") if tag == 50706 else (3, "H")
        content = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(content) > 4:
            place = len(out)
            out += content + b"\0" * (len(content) % 2)
            content = struct.pack(f"{order}I", place)
        entries.append(struct.pack(f"{order}HHI", tag, kind, len(values)) + content.ljust(4, b"\0"))
    out[4:8] = struct.pack(f"{order}I", len(out))
    return bytes(out + struct.pack(f"{order}H", len(entries)) + b"".join(entries) + bytes(4))


def tiff_of(
    rows: Rows,
    bits: int,
    photometric: int,
    *,
    order: str = "<",
    deflate: bool = False,
    planes: bool = False,
    tags: dict[int, Sequence[int]] | None = None,
) -> bytes:
    """A TIFF of samples, one strip (or one for each plane)."""
    count = len(rows[0][0])
    parts = (
        [[[[pixel[plane]] for pixel in row] for row in rows] for plane in range(count)] if planes else [rows]
    )
    strips = [b"".join(packed(flat(row), bits, order) for row in part) for part in parts]
    layout: dict[int, Sequence[int]] = {258: [bits] * count, 259: [8 if deflate else 1], 262: [photometric]}
    layout |= {277: [count], 284: [2 if planes else 1]}
    strips = [zlib.compress(strip) for strip in strips] if deflate else strips
    return tiff((len(rows[0]), len(rows)), strips, layout | (tags or {}), order)


def bmp(rows: Rows, bits: int, *, palette: Sequence[Sequence[int]] = (), masks: Sequence[int] = ()) -> bytes:
    """A BMP; samples of more than 8 bits are whole pixels, little-endian."""
    lines = []
    for row in reversed(rows):
        line = (
            packed(flat(row), bits)
            if bits <= 8
            else b"".join(pixel[0].to_bytes(bits // 8, "little") for pixel in row)
        )
        lines.append(line + b"\0" * (-len(line) % 4))
    pixels = b"".join(lines)
    table = b"".join(bytes((blue, green, red, 0)) for red, green, blue in palette)
    more = struct.pack(f"<{len(masks)}I", *masks).ljust(68 if masks else 0, b"\0")
    head = struct.pack(
        "<IiiHHIIiiII",
        40 + len(more),
        len(rows[0]),
        len(rows),
        1,
        bits,
        3 if masks else 0,
        len(pixels),
        0,
        0,
        len(palette),
        0,
    )
    start = 14 + len(head) + len(more) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + head + more + table + pixels
