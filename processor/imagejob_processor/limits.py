"""Limits: what is refused before anything is decoded, and how much memory the rest may take.

Every refusal names the value, the limit and the field of the spec that raises it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from imagejob_processor.contract import Fit, Format, ItemCode, ItemLimits, Rendition
from imagejob_processor.failure import ItemFailure

MAX_SIDES = dict.fromkeys(Format, 65535) | {Format.WEBP: 16383, Format.AVIF: 16384}
"""The longest side in pixels that a format can hold; for PNG and TIFF, that our results can say."""

MIB = 1024 * 1024
_INTERPRETER_BYTES = 80 * MIB
_SOURCE_COPIES = 2
_DECODE_BYTES_PER_PIXEL = 16
_ENCODE_BYTES_PER_PIXEL = dict.fromkeys(Format, 6) | {Format.WEBP: 28, Format.AVIF: 28}
_PARENT_BYTES = 64 * MIB
LEAST_BYTES = 160 * MIB
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def check_bytes(size: int, limits: ItemLimits) -> None:
    """Refuse a source of more than `limits.item_bytes` bytes.

    Raises:
        ItemFailure: IMG_002.
    """
    if size > limits.item_bytes:
        raise _too_large(f"{size} bytes", limits.item_bytes, "limits.itemSize")


def check_pixels(size: tuple[int, int], limits: ItemLimits) -> None:
    """Refuse an image whose first frame has more than `limits.pixels` pixels; raises as `check_bytes`."""
    if size[0] * size[1] > limits.pixels:
        value = f"{size[0]}x{size[1]} = {size[0] * size[1]} pixels"
        raise _too_large(value, limits.pixels, "limits.pixels")


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


def work_pixels(renditions: Iterable[Rendition], limits: ItemLimits) -> int:
    """Tell how many pixels any image on the way may have: the larger of a source and of a box asked for."""
    return max(limits.pixels, *(_largest_box(rendition) for rendition in renditions), 1)


def memory_bytes(renditions: tuple[Rendition, ...], limits: ItemLimits) -> int:
    """Tell how much address space the decoding process needs at most.

    80 MiB for the interpreter and its libraries, two copies of the source's bytes, 16 bytes for each pixel
    of a decoded image (Pillow's 4, the decoder's own buffers, one more copy on the way; WebP is the
    dearest) and for each pixel of the largest output what its encoder takes: 6 bytes for JPEG and PNG,
    28 for WebP and AVIF. Measured as the peak of virtual memory, with all kinds of sources of 20 megapixels.
    """
    decode = _DECODE_BYTES_PER_PIXEL * work_pixels(renditions, limits)
    encode = max(
        (_ENCODE_BYTES_PER_PIXEL[r.output.format] * _largest_output(r, limits) for r in renditions), default=0
    )
    return _INTERPRETER_BYTES + _SOURCE_COPIES * limits.item_bytes + decode + encode


def decode_bytes(source_bytes: int, size: tuple[int, int]) -> int:
    """Tell how much address space is surely enough to decode this one image; see `memory_bytes`."""
    return _INTERPRETER_BYTES + _SOURCE_COPIES * source_bytes + _DECODE_BYTES_PER_PIXEL * size[0] * size[1]


def encode_bytes(output: Format, size: tuple[int, int]) -> int:
    """Tell how much more is surely enough to encode an image of `size`."""
    return _ENCODE_BYTES_PER_PIXEL[output] * size[0] * size[1]


def allowed_bytes(renditions: tuple[Rendition, ...], limits: ItemLimits, pod_bytes: int | None) -> int:
    """Tell how much address space the decoding process gets.

    That is what it needs at most, but not more than the Pod has after 64 MiB for the parent and twice the
    item size for sources under way, so that an item fails where else the kernel would kill the Pod. At
    least 160 MiB, without which nothing starts.
    """
    needed = memory_bytes(renditions, limits)
    if pod_bytes is None:
        return needed
    left = pod_bytes - _PARENT_BYTES - min(2 * limits.item_bytes, pod_bytes // 4)
    return max(LEAST_BYTES, min(needed, left))


def pod_memory_bytes(files: Iterable[Path] = _CGROUP_FILES) -> int | None:
    """Read the memory limit of this container; None where there is none or it cannot be known."""
    for file in files:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        # cgroup v1 says "no limit" with a number near 2**63.
        return int(text) if text.isdecimal() and int(text) < 1 << 60 else None
    return None


def _too_large(value: str, limit: int, field: str) -> ItemFailure:
    return ItemFailure(ItemCode.TOO_LARGE, f"{value}, over the limit of {limit} ({field})")


def _largest_box(rendition: Rendition) -> int:
    """Pixels of the largest box that a resize of the rendition fills whatever the source is."""
    boxes = (step.resize for step in rendition.steps if step.resize is not None)
    return max(
        ((box.width or 1) * (box.height or 1) for box in boxes if box.fit is not Fit.INSIDE), default=1
    )


def _largest_output(rendition: Rendition, limits: ItemLimits) -> int:
    """Pixels of the largest picture that the rendition may end with."""
    largest = work_pixels((rendition,), limits)
    for step in rendition.steps:
        if step.crop is not None:
            largest = min(largest, step.crop.width * step.crop.height)
        elif step.resize is not None and step.resize.width and step.resize.height:
            box = step.resize.width * step.resize.height
            if step.resize.fit is Fit.INSIDE:
                largest = min(largest, box)
            elif step.resize.fit is not Fit.OUTSIDE:
                largest = box
            else:
                largest = work_pixels((rendition,), limits)
        elif step.pad is not None or (step.resize is not None and step.resize.fit is not Fit.INSIDE):
            largest = work_pixels((rendition,), limits)
    return largest
