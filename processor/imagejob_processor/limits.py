"""Limits: what is refused before anything is decoded.

Every refusal names the value, the limit and the field of the spec that raises it.
"""

from __future__ import annotations

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import FORMATS, Format
from imagejob_contract.pod_memory import MIB
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure

MAX_SIDES = dict.fromkeys(FORMATS, 65535) | {Format.JPEG: 65500, Format.WEBP: 16383, Format.AVIF: 16384}
"""The longest side in pixels that a format can hold; for PNG and TIFF, that our results can say."""


def check_bytes(size: int, limits: ItemLimits) -> None:
    """Refuse a source of more than `limits.item_bytes` bytes.

    Raises:
        ItemFailure: IMG_002.
    """
    if size > limits.item_bytes:
        raise _too_large(f"{size} bytes", limits.item_bytes, "limits.itemSize")


def check_pixels(size: tuple[int, int], limits: ItemLimits) -> None:
    """Refuse an image whose first frame has more than `limits.pixels` pixels; raises as `check_bytes`."""
    pixels = size[0] * size[1]
    if pixels > limits.pixels:
        raise too_many_pixels(f"{size[0]}x{size[1]} = {pixels} pixels", limits)


def too_many_pixels(value: str, limits: ItemLimits) -> ItemFailure:
    """Give the failure for an image with more than `limits.pixels` pixels; `value` says what it has."""
    return _too_large(value, limits.pixels, "limits.pixels")


def check_frames(frames: int, limits: ItemLimits, *, at_least: bool = False) -> None:
    """Refuse an image of more than `limits.frames` frames; raises as `check_bytes`.

    Args:
        frames: How many there are.
        limits: The order's limits.
        at_least: Counting stopped at `frames`; there may be more.
    """
    if frames > limits.frames:
        value = f"{'at least ' if at_least else ''}{frames} frames"
        raise _too_large(value, limits.frames, "limits.frames")


def out_of_memory(allowed: int, cause: str = "") -> ItemFailure:
    """Give the failure for an image that needs more than `allowed` bytes, or failed for that as it seems."""
    return ItemFailure(
        ItemCode.TOO_LARGE,
        f"needs more than the {allowed // MIB} MiB of memory that the limits and the Pod allow "
        f"(limits.pixels, execution.podTemplate.resources){f'; it said: {cause}' if cause else ''}",
    )


def _too_large(value: str, limit: int, field: str) -> ItemFailure:
    return ItemFailure(ItemCode.TOO_LARGE, f"{value}, over the limit of {limit} ({field})")
