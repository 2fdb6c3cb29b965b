"""The watermark images of an order, decoded when first needed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from io import BytesIO

from PIL import Image

from imagejob_processor.errors import THE_ORDER
from imagejob_processor.headers.read import read_header
from imagejob_processor.pixels import colour, sample_depth
from imagejob_processor.pixels.geometry import Size, StepImpossible

_FORMATS = ("PNG", "WEBP", "JPEG", "GIF")
_MAX_PIXELS = 4_000_000
_images: dict[str, bytes] = {}


def load_images(watermark_images: Mapping[str, bytes]) -> None:
    """Set the files of an order, by their keys."""
    _images.clear()
    _images.update(watermark_images)
    decoded.cache_clear()
    scaled.cache_clear()


@functools.lru_cache(maxsize=8)
def decoded(key: str) -> Image.Image:
    """Return a watermark image as RGBA in sRGB; shared, so do not change it.

    Raises:
        StepImpossible: The image is missing, too large, or cannot be decoded.
    """
    if key not in _images:
        raise StepImpossible(f"the watermark image {key!r} is missing from {THE_ORDER}")
    try:
        # Registers the format.
        from PIL import WebPImagePlugin  # noqa: F401

        image = Image.open(BytesIO(_images[key]), formats=_FORMATS)
        header = read_header(image.format or "", _images[key])
        image = Image.open(BytesIO(header.data), formats=_FORMATS)
        if image.width * image.height > _MAX_PIXELS:
            size = f"{image.width}x{image.height}"
            raise StepImpossible(
                f"the watermark image {key!r} has {size} pixels, over the limit of {_MAX_PIXELS}; "
                "use a smaller image"
            )
        profile = header.profile or image.info.get("icc_profile")
        samples = sample_depth.decode_samples(header, image)
        return colour.to_srgb(samples, profile).convert("RGBA")
    except (StepImpossible, MemoryError):
        raise
    except Exception as error:
        text = f"the watermark image {key!r} cannot be decoded; use a PNG, WebP, JPEG or GIF file"
        raise StepImpossible(text) from error


@functools.lru_cache(maxsize=8)
def scaled(key: str, longest: int, available: Size) -> Image.Image:
    """Return a watermark image whose longer side has `longest` pixels, or less to fit into `available`."""
    image = decoded(key)
    ratio = min(longest / max(image.size), available[0] / image.width, available[1] / image.height)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    # Premultiplied alpha, so that transparent pixels do not bleed.
    return image.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("RGBA")
