"""The memory of a processor Pod, by its recipe and limits. The operator sizes the Pod by it.

All figures are bytes, measured as peaks over all kinds of sources of 20 megapixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format
from imagejob_contract.recipe import Fit, Rendition

MIB = 1024 * 1024
PARENT_BYTES = 64 * MIB
"""The Pod's main process without the files that it holds."""

LEAST_BYTES = 160 * MIB
"""Minimal address space of a decoder process."""

_INTERPRETER_BYTES = 80 * MIB
_SOURCE_COPIES = 2
_DECODE_BYTES_PER_PIXEL = 16
_TYPICAL_BYTES_PER_PIXEL = 5
_ENCODE_BYTES_PER_PIXEL = dict.fromkeys(Format, 6) | dict.fromkeys(
    (Format.WEBP, Format.AVIF, Format.SAME), 28
)
MAX_WORKERS = 64
"""Decoder processes of one Pod."""


def memory_bytes(renditions: Sequence[Rendition], limits: ItemLimits) -> int:
    """Return the peak address space of a decoder process.

    It is 80 MiB for the interpreter and its libraries, two copies of the source, 16 bytes for each pixel of a
    decoded image (4 in Pillow, the buffers of the decoder, and one copy) and, for each pixel of the largest
    output, what its encoder needs: 6 bytes, or 28 for WebP, AVIF and Same.
    """
    decode = _DECODE_BYTES_PER_PIXEL * work_pixels(renditions, limits)
    encode = max(
        (_ENCODE_BYTES_PER_PIXEL[r.output.format] * _largest_output(r, limits) for r in renditions), default=0
    )
    return _INTERPRETER_BYTES + _SOURCE_COPIES * limits.item_bytes + decode + encode


def likely_bytes(renditions: Sequence[Rendition], limits: ItemLimits) -> int:
    """Return the address space for the typical source at the limits, a JPEG or PNG decoded at full size."""
    decode = _TYPICAL_BYTES_PER_PIXEL * work_pixels(renditions, limits)
    return min(memory_bytes(renditions, limits), _INTERPRETER_BYTES + limits.item_bytes + decode)


def decode_bytes(source_bytes: int, size: tuple[int, int]) -> int:
    """Return the address space that is certainly enough to decode one image; see `memory_bytes`."""
    return _INTERPRETER_BYTES + _SOURCE_COPIES * source_bytes + _DECODE_BYTES_PER_PIXEL * size[0] * size[1]


def encode_bytes(output: Format, size: tuple[int, int]) -> int:
    """Return the additional address space that is certainly enough to encode an image of `size`."""
    return _ENCODE_BYTES_PER_PIXEL[output] * size[0] * size[1]


def pod_bytes(worker_bytes: int, limits: ItemLimits, workers: int) -> int:
    """Return the memory of a Pod with `workers` decoder processes of `worker_bytes` each.

    The main process holds one file for each of them.
    """
    return PARENT_BYTES + workers * (max(LEAST_BYTES, worker_bytes) + limits.item_bytes)


def fitting_workers(wanted: int, worker_bytes: int, limits: ItemLimits, memory: int | None) -> int:
    """Return how many decoder processes fit into the memory limit `memory`; at least one."""
    most = max(1, min(wanted, MAX_WORKERS))
    if memory is None:
        return most
    return next((n for n in range(most, 1, -1) if pod_bytes(worker_bytes, limits, n) <= memory), 1)


def allowed_bytes(worker_bytes: int, limits: ItemLimits, workers: int, memory: int | None) -> int:
    """Return the address space limit of each of `workers` decoder processes; at least 160 MiB.

    It is the peak, but at most its share of the Pod's memory, so that an item fails before the kernel kills
    the Pod.
    """
    if memory is None:
        return worker_bytes
    share = (memory - PARENT_BYTES) // workers
    return max(LEAST_BYTES, min(worker_bytes, share - min(limits.item_bytes, share // 4)))


def work_pixels(renditions: Iterable[Rendition], limits: ItemLimits) -> int:
    """Return the limit of pixels of every intermediate image: the largest source or requested box."""
    return max(limits.pixels, *(_largest_box(rendition) for rendition in renditions), 1)


def _largest_box(rendition: Rendition) -> int:
    """Pixels of the largest box that a resize of the rendition fills for every source."""
    boxes = (step.resize for step in rendition.steps if step.resize is not None)
    return max(
        ((box.width or 1) * (box.height or 1) for box in boxes if box.fit is not Fit.INSIDE), default=1
    )


def _largest_output(rendition: Rendition, limits: ItemLimits) -> int:
    """Pixels of the largest possible output of the rendition."""
    largest = work_pixels((rendition,), limits)
    for step in rendition.steps:
        if step.crop is not None:
            largest = min(largest, step.crop.width * step.crop.height)
        elif step.pad is not None:
            largest = work_pixels((rendition,), limits)
        elif step.resize is not None and step.resize.width and step.resize.height:
            box = step.resize.width * step.resize.height
            if step.resize.fit is Fit.INSIDE:
                largest = min(largest, box)
            elif step.resize.fit is not Fit.OUTSIDE:
                largest = box
            else:
                largest = work_pixels((rendition,), limits)
        elif step.resize is not None and step.resize.fit is not Fit.INSIDE:
            largest = work_pixels((rendition,), limits)
    return largest
