"""Marks: the images that watermarks are made of, as the order brought them; decoded when first needed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from io import BytesIO

from PIL import Image

from imagejob_processor.errors import describe
from imagejob_processor.pixels import colour
from imagejob_processor.pixels.geometry import Size, StepImpossible

_FORMATS = ("PNG", "WEBP", "JPEG", "GIF")
_MOST_PIXELS = 4_000_000
_brought: dict[str, bytes] = {}


def bring(watermark_images: Mapping[str, bytes]) -> None:
    """Take the images of an order, by their keys; once in the life of a process."""
    _brought.clear()
    _brought.update(watermark_images)
    picture.cache_clear()
    fitted.cache_clear()


@functools.lru_cache(maxsize=8)
def picture(key: str) -> Image.Image:
    """Give a mark as RGBA in sRGB; never changed by those who use it.

    Raises:
        StepImpossible: The order has none of that key, or it cannot be decoded.
    """
    if key not in _brought:
        raise StepImpossible(f"the order has no image {key!r}")
    try:
        # Known to Pillow only by its own import.
        from PIL import WebPImagePlugin  # noqa: F401

        image = Image.open(BytesIO(_brought[key]), formats=_FORMATS)
        if image.width * image.height > _MOST_PIXELS:
            size = f"{image.width}x{image.height}"
            raise StepImpossible(f"the image {key!r} has {size} pixels, {_MOST_PIXELS} are allowed")
        profile = image.info.get("icc_profile")
        image.load()
        return colour.to_srgb(colour.plain(image), profile).convert("RGBA")
    except (StepImpossible, MemoryError):
        raise
    except Exception as error:
        text = f"the image {key!r} cannot be decoded as PNG, WebP, JPEG or GIF: {describe(error)}"
        raise StepImpossible(text) from error


@functools.lru_cache(maxsize=8)
def fitted(key: str, longest: int, room: Size) -> Image.Image:
    """Give a mark whose longer side has `longest` pixels, or less where that would not fit into `room`."""
    mark = picture(key)
    ratio = min(longest / max(mark.size), room[0] / mark.width, room[1] / mark.height)
    size = (max(1, round(mark.width * ratio)), max(1, round(mark.height * ratio)))
    # Weighed by opacity, so that colours nobody can see do not bleed.
    return mark.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGBA")
