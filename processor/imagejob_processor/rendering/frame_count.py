"""The number of frames of a source, checked without decoding them."""

from __future__ import annotations

import itertools

from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_processor import limits as checks
from imagejob_processor.pixels import gif_blocks


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
    if name == "GIF":
        frames = sum(1 for _ in itertools.islice(gif_blocks.read_images(data), limits.frames + 1))
        checks.check_frames(frames, limits, at_least=True)
