"""Images on a canvas of one colour: pad, Contain and flatten."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Gravity
from imagejob_processor.pixels.geometry import Box, Size

WHITE = "#ffffff"
_COLUMNS = {Gravity.NORTH_WEST: 0, Gravity.WEST: 0, Gravity.SOUTH_WEST: 0}
_COLUMNS |= {Gravity.NORTH: 1, Gravity.CENTER: 1, Gravity.SOUTH: 1}
_ROWS = {Gravity.NORTH_WEST: 0, Gravity.NORTH: 0, Gravity.NORTH_EAST: 0}
_ROWS |= {Gravity.WEST: 1, Gravity.CENTER: 1, Gravity.EAST: 1}


def alignment(gravity: Gravity | None) -> tuple[int, int]:
    """Return the alignment across and down: 0 for left or top, 1 for the centre, 2 for right or bottom."""
    return (_COLUMNS.get(gravity, 2), _ROWS.get(gravity, 2)) if gravity else (1, 1)


def offset(gravity: Gravity | None, outer: Size, inner: Size) -> tuple[int, int]:
    """Return the upper left corner of `inner` within `outer`; either may be the larger one."""
    across, down = alignment(gravity)
    return ((outer[0] - inner[0]) * across // 2, (outer[1] - inner[1]) * down // 2)


def crop_box(gravity: Gravity | None, outer: Size, inner: tuple[float, float]) -> Box:
    """Return the box of size `inner` within `outer`, aligned by `gravity`."""
    across, down = alignment(gravity)
    left, top = (outer[0] - inner[0]) * across / 2, (outer[1] - inner[1]) * down / 2
    return (left, top, left + inner[0], top + inner[1])


def place_on_canvas(
    image: Image.Image, size: Size, at: tuple[int, int], background: str | None
) -> Image.Image:
    """Place an L, RGB or RGBA image on a canvas of one colour; transparent pixels stay transparent.

    The result has colours or an alpha channel if the image or the background has.
    """
    channels = _channels(background or WHITE)
    mode = image.mode
    if len(channels) == 4:
        mode = "RGBA"
    elif mode == "L" and len(set(channels)) > 1:
        mode = "RGB"
    canvas = Image.new(mode, size, channels[0] if mode == "L" else channels)
    canvas.paste(image.convert(mode), at)
    return canvas


def flatten(image: Image.Image, background: str | None) -> Image.Image:
    """Blend an image with a solid colour; one without alpha channel is returned as it is."""
    if image.mode != "RGBA":
        return image
    flat = Image.new("RGB", image.size, _channels(background or WHITE)[:3])
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def _channels(colour: str) -> tuple[int, ...]:
    """Red, green, blue, and alpha unless the colour is opaque."""
    values = tuple(bytes.fromhex(colour[1:]))
    return values[:3] if values[3:] == (255,) else values
