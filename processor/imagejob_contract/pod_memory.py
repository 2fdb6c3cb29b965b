"""Memory: what a processor Pod needs for a recipe and its limits. The operator sizes the Pod by it.

Nothing here may import more than the standard library and msgspec: the operator's image carries this
module without Pillow. All figures are bytes, measured as peaks over all kinds of sources of 20 megapixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format
from imagejob_contract.recipe import Fit, Rendition

MIB = 1024 * 1024
PARENT_BYTES = 64 * MIB
"""The Pod's main process without the files that are under way."""

LEAST_BYTES = 160 * MIB
"""Address space without which no decoding process starts."""

_INTERPRETER_BYTES = 80 * MIB
_SOURCE_COPIES = 2
_DECODE_BYTES_PER_PIXEL = 16
_LIKELY_BYTES_PER_PIXEL = 5
_ENCODE_BYTES_PER_PIXEL = dict.fromkeys(Format, 6) | dict.fromkeys(
    (Format.WEBP, Format.AVIF, Format.SAME), 28
)
_MOST_WORKERS = 64


def memory_bytes(renditions: Sequence[Rendition], limits: ItemLimits) -> int:
    """Tell how much address space a decoding process needs at most.

    80 MiB for the interpreter and its libraries, two copies of the source's bytes, 16 bytes for each pixel
    of a decoded image (Pillow's 4, the decoder's own buffers, one more copy on the way; WebP is the
    dearest) and for each pixel of the largest output what its encoder takes: 6 bytes, 28 for WebP and AVIF
    and where the format is that of each source.
    """
    decode = _DECODE_BYTES_PER_PIXEL * work_pixels(renditions, limits)
    encode = max(
        (_ENCODE_BYTES_PER_PIXEL[r.output.format] * _largest_output(r, limits) for r in renditions), default=0
    )
    return _INTERPRETER_BYTES + _SOURCE_COPIES * limits.item_bytes + decode + encode


def likely_bytes(renditions: Sequence[Rendition], limits: ItemLimits) -> int:
    """Tell what a decoding process takes for the usual case at the limits, a JPEG or PNG decoded in full."""
    decode = _LIKELY_BYTES_PER_PIXEL * work_pixels(renditions, limits)
    return min(memory_bytes(renditions, limits), _INTERPRETER_BYTES + limits.item_bytes + decode)


def decode_bytes(source_bytes: int, size: tuple[int, int]) -> int:
    """Tell how much address space is surely enough to decode this one image; see `memory_bytes`."""
    return _INTERPRETER_BYTES + _SOURCE_COPIES * source_bytes + _DECODE_BYTES_PER_PIXEL * size[0] * size[1]


def encode_bytes(output: Format, size: tuple[int, int]) -> int:
    """Tell how much more is surely enough to encode an image of `size`."""
    return _ENCODE_BYTES_PER_PIXEL[output] * size[0] * size[1]


def pod_bytes(worker_bytes: int, limits: ItemLimits, workers: int) -> int:
    """Tell what a Pod takes whose `workers` decoding processes take `worker_bytes` each.

    The main process holds for each of them one file that is being fetched, or what is being stored.
    """
    return PARENT_BYTES + workers * (max(LEAST_BYTES, worker_bytes) + limits.item_bytes)


def fitting_workers(wanted: int, worker_bytes: int, limits: ItemLimits, memory: int | None) -> int:
    """Tell how many decoding processes a Pod with a limit of `memory` has room for; at least one."""
    most = max(1, min(wanted, _MOST_WORKERS))
    if memory is None:
        return most
    return next((n for n in range(most, 1, -1) if pod_bytes(worker_bytes, limits, n) <= memory), 1)


def allowed_bytes(worker_bytes: int, limits: ItemLimits, workers: int, memory: int | None) -> int:
    """Tell how much address space each of `workers` decoding processes gets.

    That is what it needs at most, but not more than its share of what the Pod has beside the main process,
    so that an item fails where else the kernel would kill the Pod. At least 160 MiB.
    """
    if memory is None:
        return worker_bytes
    share = (memory - PARENT_BYTES) // workers
    return max(LEAST_BYTES, min(worker_bytes, share - min(limits.item_bytes, share // 4)))


def work_pixels(renditions: Iterable[Rendition], limits: ItemLimits) -> int:
    """Tell how many pixels any image on the way may have: the larger of a source and of a box asked for."""
    return max(limits.pixels, *(_largest_box(rendition) for rendition in renditions), 1)


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
