"""The plan for one image: all sizes, decided before anything is decoded.

All renditions share one decode. Where it costs no quality, a rendition is made from a larger one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from imagejob_contract.recipe import Rendition, Resample, Step
from imagejob_contract.result import ItemCode
from imagejob_processor import steps
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import encode, orientation
from imagejob_processor.pixels.geometry import Size, StepImpossible, contains
from imagejob_processor.steps.resize import Placement, place

DRAFT_MARGINS = {Resample.FAST: 1.25, Resample.BALANCED: 3.0, Resample.BEST: math.inf}
"""A JPEG may be decoded at reduced size if that is this many times as large as the largest need.

The decoder's reduction aliases. Measured on photos: at 1.0 the result differs visibly from a full decode
(SSIM 0.964), at 1.25 it does not (0.988 at worst). A zone plate up to 0.9 of the Nyquist frequency shows
aliasing at 1.25 (0.60) and at 2.0 (0.92), and hardly any at 3.0 (0.97).
"""

CHAIN_MARGIN = 2.0
"""A rendition may be made from another one that is at least this many times its size."""

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Branch:
    """How one rendition is made.

    Attributes:
        rendition: The rendition.
        before: Steps before the first resize, applied to the full image.
        placement: The first resize, in pixels of the image after `before`; None: there is no resize.
        after: The other steps.
        size: Width and height of the output.
        resample: Quality of the first resize.
        parent: Position in the plan of the branch whose resized image this one starts from; None: the source.
    """

    rendition: Rendition
    before: tuple[Step, ...]
    placement: Placement | None
    after: tuple[Step, ...]
    size: Size
    resample: Resample = Resample.BALANCED
    parent: int | None = None


@dataclass(frozen=True)
class Plan:
    """All branches, parents before children, and the least size to decode a JPEG at (None: in full)."""

    branches: tuple[Branch, ...]
    draft: Size | None


def make_plan(size: Size, exif: int, renditions: tuple[Rendition, ...], max_pixels: int) -> Plan:
    """Plan all renditions of an image.

    Args:
        size: Width and height as stored.
        exif: EXIF orientation, 1..8.
        renditions: The renditions to make.
        max_pixels: Limit for every intermediate image.

    Raises:
        ItemFailure: IMG_005 with rendition and step, or IMG_009 if the output is too large for its format.
    """
    oriented = orientation.oriented_size(size, exif)
    branches = _chained([_branch(rendition, oriented, max_pixels) for rendition in renditions])
    return Plan(branches, _draft(size, exif, branches))


@contextlib.contextmanager
def naming_step(rendition: Rendition, index: int) -> Iterator[None]:
    """Add rendition and step to a `StepImpossible`.

    Raises:
        ItemFailure: IMG_005.
    """
    try:
        yield
    except StepImpossible as error:
        names = ", ".join(steps.members(rendition.steps[index])) or "none"
        message = f"rendition {rendition.name!r}, steps[{index}] ({names}): {error}"
        raise ItemFailure(ItemCode.STEP_FAILED, message) from error


def _branch(rendition: Rendition, size: Size, max_pixels: int) -> Branch:
    """Compute the sizes of one rendition's steps."""
    first, placement, resample = len(rendition.steps), None, Resample.BALANCED
    for index, step in enumerate(rendition.steps):
        with naming_step(rendition, index):
            after = steps.size_after(step, size)
            _check_growth(size, after, max_pixels)
            if placement is None and step.resize is not None:
                first, placement, resample = index, place(step.resize, size), step.resize.resample
        size = after
    encode.check_size(rendition, size)
    before, later = rendition.steps[:first], rendition.steps[first + 1 :]
    return Branch(rendition, before, placement, later, size, resample)


def _check_growth(before: Size, after: Size, max_pixels: int) -> None:
    pixels = after[0] * after[1]
    if pixels > max(max_pixels, before[0] * before[1]):
        raise StepImpossible(
            f"the result would have {after[0]}x{after[1]} = {pixels} pixels, over the limit of {max_pixels}; "
            "raise limits.pixels or reduce the size"
        )


def _chained(branches: list[Branch]) -> tuple[Branch, ...]:
    """Order the branches with the same first steps by size, the largest first, and find each one's parent."""
    starts = list(dict.fromkeys(branch.before for branch in branches))
    ordered = sorted(branches, key=lambda branch: (starts.index(branch.before), -_area(branch)))
    return tuple(replace(branch, parent=_parent(ordered, own)) for own, branch in enumerate(ordered))


def _area(branch: Branch) -> int:
    size = branch.placement.size if branch.placement else branch.size
    return size[0] * size[1]


def _parent(ordered: list[Branch], own: int) -> int | None:
    """Find the smallest earlier image that branch `own` can be made from without visible loss."""
    fitting = [other for other in range(own) if _may_start_from(ordered[own], ordered[other])]
    return min(fitting, key=lambda other: _area(ordered[other]), default=None)


def _may_start_from(child: Branch, parent: Branch) -> bool:
    if child.placement is None or parent.placement is None or child.before != parent.before:
        return False
    if (child.placement.box, child.placement.size) == (parent.placement.box, parent.placement.size):
        return child.resample is parent.resample or Resample.BEST not in (child.resample, parent.resample)
    if child.resample is Resample.BEST or not contains(parent.placement.box, child.placement.box):
        return False
    return all(
        large >= CHAIN_MARGIN * small - _ROUNDING
        for large, small in zip(_density(parent.placement), _density(child.placement), strict=True)
    )


def _density(placement: Placement) -> tuple[float, float]:
    """Pixels of the result for each pixel of the source, across and down."""
    left, top, right, bottom = placement.box
    return (placement.size[0] / (right - left), placement.size[1] / (bottom - top))


def _draft(size: Size, exif: int, branches: tuple[Branch, ...]) -> Size | None:
    """Return the least size, as stored, that is enough for every branch; None if one needs the full image."""
    needs = []
    if not branches:
        return None
    for branch in branches:
        if branch.before or branch.placement is None:
            return None
        margin = DRAFT_MARGINS[branch.resample]
        needs.append(tuple(margin * density for density in _density(branch.placement)))
    across, down = (min(1.0, max(need)) for need in zip(*needs, strict=True))
    if orientation.swaps_sides(exif):
        across, down = down, across
    least = (math.ceil(size[0] * across - _ROUNDING), math.ceil(size[1] * down - _ROUNDING))
    return None if least[0] >= size[0] or least[1] >= size[1] else (max(1, least[0]), max(1, least[1]))
