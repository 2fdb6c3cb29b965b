"""Animated GIF, PNG and WebP files, written here from their parts, and what is to be seen of them.

Nothing of the project is used, and Pillow only for the pixels of a WebP part.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
KEEP, CLEAR, RESTORE = range(3)
_GIF_DISPOSALS = {KEEP: 1, CLEAR: 2, RESTORE: 3}


@dataclass(frozen=True)
class Part:
    """RGBA pixels at a place of the canvas, and what follows their time."""

    left: int
    top: int
    pixels: Pixels
    milliseconds: int = 100
    disposal: int = KEEP
    blended: bool = True


@dataclass(frozen=True)
class Written:
    """An animation; `plays` is 0 for endless."""

    width: int
    height: int
    parts: tuple[Part, ...]
    plays: int = 0


def seen(animation: Written) -> list[Pixels]:
    """Compose every frame in floating point: as PNG and WebP specify, and GIF as browsers do."""
    canvas = np.zeros((animation.height, animation.width, 4))
    frames = []
    for part in animation.parts:
        before = canvas.copy()
        height, width = part.pixels.shape[:2]
        box = (slice(part.top, part.top + height), slice(part.left, part.left + width))
        rows, columns = canvas[box].shape[:2]
        new = part.pixels[:rows, :columns].astype(float)
        canvas[box] = _over(new, canvas[box]) if part.blended else new
        frames.append(np.round(canvas).astype(np.uint8))
        if part.disposal == CLEAR:
            canvas[box] = 0
        elif part.disposal == RESTORE:
            canvas = before
    return frames


def _over(new: NDArray[np.float64], old: NDArray[np.float64]) -> NDArray[np.float64]:
    share = new[..., 3:] / 255
    rest = old[..., 3:] / 255 * (1 - share)
    alpha = share + rest
    with np.errstate(invalid="ignore", divide="ignore"):
        colours = np.where(alpha > 0, (new[..., :3] * share + old[..., :3] * rest) / alpha, 0)
    return np.concatenate([colours, alpha * 255], axis=-1)


# GIF


def gif(animation: Written, *, where: str = "before", declared: tuple[int, int] | None = None) -> bytes:
    """Write a GIF whose parts have palettes of their own; the loop block is before or after the images.

    Args:
        animation: The animation.
        where: The place of the loop block.
        declared: The size of the canvas in the header, if the first part reaches beyond it.
    """
    size = declared or (animation.width, animation.height)
    data = b"GIF89a" + struct.pack("<HHBBB", *size, 0xF0, 1, 0)
    data += b"\x00\xff\x00\xff\x00\xff"  # the background colour is the second of these
    repeats = [] if animation.plays == 1 else [max(0, animation.plays - 1)]
    loop = b"".join(b"\x21\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", n) + b"\0" for n in repeats)
    images = b"".join(map(_gif_part, animation.parts))
    return data + (loop + images if where == "before" else images + loop) + b";"


def _gif_part(part: Part) -> bytes:
    height, width = part.pixels.shape[:2]
    flat = part.pixels.reshape(-1, 4)
    clear = flat[:, 3] < 128
    colours, indices = np.unique(flat[:, :3], axis=0, return_inverse=True)
    indices = np.where(clear, len(colours), indices.reshape(-1))
    assert len(colours) < 256, "too many colours for a GIF"
    transparent = bool(clear.any())
    table = colours.astype(np.uint8).tobytes().ljust(768, b"\x80")
    flags = _GIF_DISPOSALS[part.disposal] << 2 | transparent
    control = struct.pack("<BHBB", flags, part.milliseconds // 10, len(colours) if transparent else 0, 0)
    place = struct.pack("<HHHHB", part.left, part.top, width, height, 0x87)
    return b"\x21\xf9\x04" + control + b"\x2c" + place + table + _lzw(indices.tolist())


def _lzw(indices: Sequence[int]) -> bytes:
    """Write 8-bit indices as they are: the table is cleared before the codes would become longer."""
    codes = []
    for start in range(0, len(indices), 254):
        codes += [256, *indices[start : start + 254]]
    bits = 0
    for place, code in enumerate([*codes, 257]):
        bits |= code << 9 * place
    data = bits.to_bytes((9 * (len(codes) + 1) + 7) // 8, "little")
    blocks = [data[start : start + 255] for start in range(0, len(data), 255)]
    return b"\x08" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


# PNG


def png(animation: Written, kind: str = "RGBA", *, default: Pixels | None = None) -> bytes:
    """Write a PNG of a colour type: RGBA, RGB, LA, palette, or RGB with one transparent colour (key).

    Colour types that end with 16 have samples of 16 bits.
    """
    kind, deep = kind.removesuffix("16"), kind.endswith("16")
    parts = [part.pixels for part in animation.parts] + ([] if default is None else [default])
    colour_type, head, encode = _png_kind(kind, np.concatenate([p.reshape(-1, 4) for p in parts]))
    header = struct.pack(
        ">IIBBBBB", animation.width, animation.height, 16 if deep else 8, colour_type, 0, 0, 0
    )
    chunks = [(b"IHDR", header), (b"acTL", struct.pack(">II", len(animation.parts), animation.plays)), *head]
    if default is not None:
        chunks.append((b"IDAT", _compressed(encode(default), deep)))
    sequence = 0
    for number, part in enumerate(animation.parts):
        height, width = part.pixels.shape[:2]
        control = (
            sequence,
            width,
            height,
            part.left,
            part.top,
            part.milliseconds,
            1000,
            part.disposal,
            part.blended,
        )
        chunks.append((b"fcTL", struct.pack(">IIIIIHHBB", *control)))
        data = _compressed(encode(part.pixels), deep)
        sequence += 1
        if number or default is not None:
            chunks.append((b"fdAT", struct.pack(">I", sequence) + data))
            sequence += 1
        else:
            chunks.append((b"IDAT", data))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def _png_kind(kind, pixels):  # type: ignore[no-untyped-def]
    """Return the colour type, the chunks before the pixels, and the function that makes samples of pixels."""
    if kind == "palette":
        colours = np.unique(pixels, axis=0)
        places = {tuple(colour): place for place, colour in enumerate(colours.tolist())}
        head = [(b"PLTE", colours[:, :3].tobytes()), (b"tRNS", colours[:, 3].tobytes())]
        return (
            3,
            head,
            lambda part: np.array([[places[tuple(p)] for p in row] for row in part.tolist()])[..., None],
        )
    if kind == "key":
        head = [(b"tRNS", struct.pack(">HHH", 1, 2, 3))]
        return 2, head, lambda part: np.where(part[..., 3:] < 128, [1, 2, 3], part[..., :3])
    if kind == "LA":
        return 4, [], lambda part: part[..., [0, 3]]
    return (6, [], lambda part: part) if kind == "RGBA" else (2, [], lambda part: part[..., :3])


def _compressed(samples: NDArray[np.generic], deep: bool) -> bytes:
    """Compress lines; 16-bit samples are the same byte twice, but those of the transparent colour."""
    if deep:
        wide = samples.astype(">u2")
        lines = (
            np.where((wide == [1, 2, 3]).all(-1, keepdims=True), wide, wide * 257)
            if wide.shape[-1] == 3
            else wide * 257
        )
    else:
        lines = samples.astype(np.uint8)
    return zlib.compress(
        b"".join(b"\0" + line.astype(">u2" if deep else np.uint8).tobytes() for line in lines)
    )


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


# WebP


def webp(animation: Written) -> bytes:
    """Write a lossless WebP; its parts must be at even places."""
    data = _riff(b"VP8X", b"\x12\0\0\0" + _three(animation.width - 1) + _three(animation.height - 1))
    data += _riff(b"ANIM", b"\x00\xff\x00\xff" + struct.pack("<H", animation.plays))
    for part in animation.parts:
        height, width = part.pixels.shape[:2]
        flags = (not part.blended) << 1 | (part.disposal == CLEAR)
        head = b"".join(
            map(_three, (part.left // 2, part.top // 2, width - 1, height - 1, part.milliseconds))
        )
        data += _riff(b"ANMF", head + bytes([flags]) + _webp_pixels(part.pixels))
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def _webp_pixels(pixels: Pixels) -> bytes:
    """Return the VP8L chunk of a still image."""
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "WEBP", lossless=True, exact=True)
    return next(data for kind, data in _riff_chunks(buffer.getvalue()[12:]) if kind == b"VP8L")


def _riff(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        length = struct.unpack_from("<I", data, at + 4)[0]
        yield data[at : at + 4], data[at : at + 8 + length + length % 2]
        at += 8 + length + length % 2


def _three(value: int) -> bytes:
    return struct.pack("<I", value)[:3]
