"""Sizes and boxes in pixels; x to the right, y down."""

from __future__ import annotations

from typing import TypeAlias

Size: TypeAlias = tuple[int, int]
"""Width and height in whole pixels."""

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom; may be between pixels."""


_STRIP_PIXELS = 1 << 18


class StepImpossible(Exception):
    """An operation cannot be applied to this image; the caller adds the rendition and the step."""


def full_box(size: Size) -> Box:
    """Return the box that covers an image of `size`."""
    return (0.0, 0.0, float(size[0]), float(size[1]))


def contains(outer: Box, inner: Box) -> bool:
    """Whether `inner` is within `outer`."""
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def map_box(box: Box, origin: Box, frame: Box) -> Box:
    """Map `box` from the coordinates of `origin` to those of `frame`, which is `origin` at another scale."""
    scale_x = (frame[2] - frame[0]) / (origin[2] - origin[0])
    scale_y = (frame[3] - frame[1]) / (origin[3] - origin[1])
    left = frame[0] + (box[0] - origin[0]) * scale_x
    top = frame[1] + (box[1] - origin[1]) * scale_y
    right = frame[2] - (origin[2] - box[2]) * scale_x
    bottom = frame[3] - (origin[3] - box[3]) * scale_y
    return (left, top, right, bottom)


def strips(size: Size) -> list[tuple[int, int, int, int]]:
    """Return boxes of whole rows that cover an image, so that what is made of each needs little memory."""
    width, height = size
    rows = max(1, _STRIP_PIXELS // width)
    return [(0, top, width, min(top + rows, height)) for top in range(0, height, rows)]
