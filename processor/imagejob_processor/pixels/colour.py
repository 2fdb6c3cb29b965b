"""Colour conversion to 8-bit sRGB, in mode L, RGB or RGBA.

It runs on the reduced image, after `sample_depth` made a mode that can be resampled. A profile that is broken
or for another colour space is ignored, as browsers do.
"""

from __future__ import annotations

import functools
from io import BytesIO
from typing import Any

from PIL import Image

# The colour space of a profile for an image of the mode.
_SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK"}


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert an image from `sample_depth` to sRGB, in mode L, RGB or RGBA."""
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode == "LA":
        grey, alpha = image.split()
        coloured = to_srgb(grey, profile).convert("RGB")
        coloured.putalpha(alpha)
        return coloured
    transform = _transform(profile, image.mode) if profile else None
    if transform is not None:
        from PIL import ImageCms

        converted = ImageCms.applyTransform(image, transform)
        assert converted is not None  # noqa: S101 - only in-place transforms return None
        return converted
    return image.convert("RGB") if image.mode == "CMYK" else image


def is_srgb(profile: bytes | None, mode: str) -> bool:
    """Whether `to_srgb` returns the samples of such an image unchanged."""
    return not profile or _transform(profile, mode) is None


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> Any:
    """Make the transform from `profile` to sRGB; None if the samples stay as they are.

    Cached: the photos of one camera share a profile, and making a transform costs more than applying it to a
    thumbnail.
    """
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space != _SPACES[mode]:
            return None
        if (source.profile.profile_description or "").startswith("sRGB"):
            return None
        return ImageCms.buildTransform(source, _srgb(), mode, "RGBA" if mode == "RGBA" else "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


@functools.lru_cache(maxsize=1)
def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    converted = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB")
    assert converted is not None  # noqa: S101 - only in-place transforms return None
    return converted
