"""Canvas: an image put on a larger ground of one colour. Pad, Contain and flatten are this."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Gravity
from imagejob_processor.pixels.geometry import Box, Size

WHITE = "#ffffff"
_COLUMNS = {Gravity.NORTH_WEST: 0, Gravity.WEST: 0, Gravity.SOUTH_WEST: 0}
_COLUMNS |= {Gravity.NORTH: 1, Gravity.CENTER: 1, Gravity.SOUTH: 1}
_ROWS = {Gravity.NORTH_WEST: 0, Gravity.NORTH: 0, Gravity.NORTH_EAST: 0}
_ROWS |= {Gravity.WEST: 1, Gravity.CENTER: 1, Gravity.EAST: 1}


def leaning(gravity: Gravity | None) -> tuple[int, int]:
    """Tell how far to the right and down a gravity pulls: 0, 1 or 2 halves of the room there is."""
    return (_COLUMNS.get(gravity, 2), _ROWS.get(gravity, 2)) if gravity else (1, 1)


def corner(gravity: Gravity | None, outer: Size, inner: Size) -> tuple[int, int]:
    """Give the upper left corner of `inner` within `outer`; either may be the larger one."""
    across, down = leaning(gravity)
    return ((outer[0] - inner[0]) * across // 2, (outer[1] - inner[1]) * down // 2)


def window(gravity: Gravity | None, outer: Size, inner: tuple[float, float]) -> Box:
    """Give the box of the size `inner` that `gravity` finds within `outer`."""
    across, down = leaning(gravity)
    left, top = (outer[0] - inner[0]) * across / 2, (outer[1] - inner[1]) * down / 2
    return (left, top, left + inner[0], top + inner[1])


def laid(image: Image.Image, size: Size, at: tuple[int, int], background: str | None) -> Image.Image:
    """Put an L, RGB or RGBA image on a ground of `size` and colour; what is transparent in it stays so.

    The result has colours or an alpha channel if the image or the background has.
    """
    channels = _channels(background or WHITE)
    mode = image.mode
    if len(channels) == 4:
        mode = "RGBA"
    elif mode == "L" and len(set(channels)) > 1:
        mode = "RGB"
    ground = Image.new(mode, size, channels[0] if mode == "L" else channels)
    ground.paste(image.convert(mode), at)
    return ground


def flattened(image: Image.Image, background: str | None) -> Image.Image:
    """Lay an image on a solid colour; one that is solid already stays as it is."""
    if image.mode != "RGBA":
        return image
    flat = Image.new("RGB", image.size, _channels(background or WHITE)[:3])
    flat.paste(image, mask=image.getchannel("A"))
    return flat


def _channels(colour: str) -> tuple[int, ...]:
    """Red, green, blue, and the opacity if it is not full."""
    values = tuple(bytes.fromhex(colour[1:]))
    return values[:3] if values[3:] == (255,) else values
