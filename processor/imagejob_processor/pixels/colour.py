"""Colour: whatever a source has becomes 8-bit sRGB in mode L, RGB or RGBA.

Two parts, so that the dear one runs on the reduced image: `plain` makes a mode that can be resampled
(palettes, bilevel and 16-bit images cannot), `to_srgb` applies the ICC profile. A profile that is broken
or made for another kind of image is ignored, as browsers do.
"""

from __future__ import annotations

import functools
from io import BytesIO
from typing import Any

from PIL import Image

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure

_DIRECT = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB")
_CONVERTED = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
# The colour space that a profile must have to be made for an image of the mode.
_SPACES = {"L": "GRAY", "LA": "GRAY", "RGB": "RGB ", "RGBA": "RGB ", "CMYK": "CMYK"}


def plain(image: Image.Image) -> Image.Image:
    """Give the image in one of the modes L, LA, RGB, RGBA, CMYK, LAB.

    Raises:
        ItemFailure: IMG_003, for sample types without a known white, such as 32-bit floats.
    """
    if image.mode == "P" or image.mode == "PA" or "transparency" in image.info:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I;16"):
        return _high_bytes(image)
    if image.mode in _DIRECT:
        return image
    if image.mode in _CONVERTED:
        return image.convert(_CONVERTED[image.mode])
    raise ItemFailure(
        ItemCode.UNSUPPORTED_FORMAT,
        f"the pixel type {image.mode!r} is not allowed: use 1, 8 or 16 bit grey, RGB, CMYK or a palette",
    )


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Give the image in sRGB as L, RGB or RGBA; `image` is in a mode that `plain` makes."""
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
        assert converted is not None  # noqa: S101 - only in-place transforms give None
        return converted
    return image.convert("RGB") if image.mode == "CMYK" else image


def is_srgb(profile: bytes | None, mode: str) -> bool:
    """Tell whether `to_srgb` would leave the samples of such an image as they are."""
    return not profile or _transform(profile, mode) is None


def _high_bytes(image: Image.Image) -> Image.Image:
    """Take the upper eight of sixteen bits; Pillow's own conversion would clip."""
    wide = image if image.mode == "I;16" else image.convert("I")
    # A multiplication is all that Pillow can do with so many values.
    return wide.point(lambda value: value * (1 / 256)).convert("L")


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> Any:
    """Make the transform from `profile` to sRGB; None where the pixels are to be left as they are.

    Cached: the photos of one camera share a profile, and making a transform costs more than using it
    on a thumbnail.
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
    assert converted is not None  # noqa: S101 - only in-place transforms give None
    return converted
