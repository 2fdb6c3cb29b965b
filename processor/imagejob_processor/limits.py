"""Limits that are checked before anything is decoded."""

from __future__ import annotations

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import FORMATS, Format
from imagejob_contract.pod_memory import MIB
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure

MAX_SIDES = dict.fromkeys(FORMATS, 65535) | {Format.JPEG: 65500, Format.WEBP: 16383, Format.AVIF: 16384}
"""The longest side in pixels of each format; for PNG and TIFF, the limit of our results."""


def check_bytes(size: int, limits: ItemLimits) -> None:
    """Check the size of a source file.

    Raises:
        ItemFailure: IMG_002.
    """
    if size > limits.item_bytes:
        raise too_many_bytes(f"{size} bytes", limits.item_bytes)


def check_pixels(size: tuple[int, int], limits: ItemLimits) -> None:
    """Check the pixels of the first frame; raises as `check_bytes`."""
    pixels = size[0] * size[1]
    if pixels > limits.pixels:
        raise too_many_pixels(f"{size[0]}x{size[1]} = {pixels} pixels", limits)


def check_frames(frames: int, limits: ItemLimits, *, at_least: bool = False) -> None:
    """Check the number of frames; `at_least`: counting stopped at `frames`. Raises as `check_bytes`."""
    if frames > limits.frames:
        raise _too_large(f"{'at least ' if at_least else ''}{frames} frames", limits.frames, "limits.frames")


def too_many_bytes(value: str, limit: int) -> ItemFailure:
    """Return the failure of a source whose size, in `value`, is over the limit."""
    return _too_large(value, limit, "limits.itemSize")


def too_many_pixels(value: str, limits: ItemLimits) -> ItemFailure:
    """Return the failure of a source whose number of pixels, in `value`, is over the limit."""
    return _too_large(value, limits.pixels, "limits.pixels")


def out_of_memory(available: int, cause: str = "") -> ItemFailure:
    """Return the failure of an image that probably needs more than `available` bytes of memory."""
    return ItemFailure(
        ItemCode.TOO_LARGE,
        f"the image needs more than the {available // MIB} MiB of memory that are available to it; "
        "raise limits.pixels or the memory limit in execution.podTemplate.resources"
        f"{f' ({cause})' if cause else ''}",
    )


def _too_large(value: str, limit: int, field: str) -> ItemFailure:
    message = f"the source has {value}, over the limit of {limit}; raise {field} or reduce the source"
    return ItemFailure(ItemCode.TOO_LARGE, message)
