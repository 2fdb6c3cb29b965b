"""The number of frames of a source, checked without decoding them."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_processor import limits as checks


def check_frame_count(name: str, image: Image.Image, limits: ItemLimits) -> None:
    """Check the number of frames; further images in a JPEG (previews, gain maps) are not frames."""
    if name == "TIFF":
        _check_tiff_frames(image, limits)
    elif name in ("PNG", "WEBP", "AVIF"):
        checks.check_frames(getattr(image, "n_frames", 1), limits)


def _check_tiff_frames(image: Image.Image, limits: ItemLimits) -> None:
    """Seek one page beyond the limit: a file could make counting all pages arbitrarily slow."""
    try:
        image.seek(limits.frames)
    except EOFError:
        image.seek(0)
        return
    checks.check_frames(limits.frames + 1, limits, at_least=True)


def check_gif_frame_count(name: str, data: bytes, limits: ItemLimits) -> None:
    """Count the frames of a GIF by its blocks: Pillow would decode each frame to find the next one."""
    if name != "GIF":
        return
    frames, position = 0, 13 + _colour_table(data, 10)
    while position < len(data) and frames <= limits.frames:
        kind = data[position]
        if kind == 0x2C:
            frames += 1
            position = _after_blocks(data, position + 11 + _colour_table(data, position + 9))
        elif kind == 0x21:
            position = _after_blocks(data, position + 2)
        else:
            break
    checks.check_frames(frames, limits, at_least=True)


def _colour_table(data: bytes, position: int) -> int:
    """Return the length in bytes of the colour table, from the flags at `position`."""
    flags = data[position] if position < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    """Skip a chain of length-prefixed blocks."""
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1
