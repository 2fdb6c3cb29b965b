"""Colour conversion to 8-bit sRGB, in mode L, RGB or RGBA.

It runs on the reduced image, after `sample_depth` made a mode that can be resampled. A profile that is broken
or for another colour space is ignored, as browsers do. The rendering intent is perceptual with black point
compensation, which LittleCMS always applies towards its own profile of sRGB: the darkest ink becomes black.
"""

from __future__ import annotations

import functools
from io import BytesIO
from typing import Any

from PIL import Image

_SPACES = {"L": ("GRAY", "RGB "), "RGB": ("RGB ",), "RGBA": ("RGB ",), "CMYK": ("CMYK",)}
"""The colour spaces of a profile for an image of a mode: grey is a colour of every RGB space."""

_SAME = 1
"""A profile is sRGB if it changes no sample by more than this, the error of rounding."""

_PROBE_STEPS = (*range(0, 256, 15), 1, 2, 4, 8)


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
    if transform is None:
        return image.convert("RGB") if image.mode == "CMYK" else image
    if image.mode == "L":
        return image.point(transform)
    return _apply(image, transform)


def is_srgb(profile: bytes | None, mode: str) -> bool:
    """Whether `to_srgb` returns the samples of such an image unchanged."""
    return not profile or _transform(profile, mode) is None


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> Any:
    """Make the transform from `profile` to sRGB, for L a table; None if the samples stay as they are.

    Cached: the photos of one camera share a profile, and making a transform costs more than applying it to a
    thumbnail.
    """
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        space = source.profile.xcolor_space
        if space not in _SPACES[mode]:
            return None
        if mode == "L":
            return _grey_table(source, "L" if space == "GRAY" else "RGB")
        transform = ImageCms.buildTransform(source, _srgb(), mode, "RGBA" if mode == "RGBA" else "RGB")
        return None if mode != "CMYK" and _is_identity(transform, mode) else transform
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _grey_table(source: Any, mode: str) -> list[int] | None:
    """Return the sRGB value of each grey value of a profile; None if they are the same."""
    from PIL import ImageCms

    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    # What LittleCMS precomputes for greys is wrong by up to ten levels in dark ones.
    exact = ImageCms.Flags.NOOPTIMIZE
    shown = _apply(ramp.convert(mode), ImageCms.buildTransform(source, _srgb(), mode, "RGB", flags=exact))
    table = list(shown.convert("L").tobytes())
    return None if _differ(bytes(table), ramp.tobytes()) <= _SAME else table


def _is_identity(transform: Any, mode: str) -> bool:
    """Whether a transform changes none of the colours of a grid."""
    probe = _probe(mode)
    return _differ(_apply(probe, transform).tobytes(), probe.tobytes()) <= _SAME


@functools.lru_cache(maxsize=2)
def _probe(mode: str) -> Image.Image:
    steps = _PROBE_STEPS
    colours = [bytes((red, green, blue)) for red in steps for green in steps for blue in steps]
    return Image.frombytes("RGB", (len(colours), 1), b"".join(colours)).convert(mode)


def _differ(one: bytes, other: bytes) -> int:
    return max(abs(left - right) for left, right in zip(one, other, strict=True))


def _apply(image: Image.Image, transform: Any) -> Image.Image:
    from PIL import ImageCms

    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # noqa: S101 - only in-place transforms return None
    return converted


@functools.lru_cache(maxsize=1)
def _srgb() -> Any:
    from PIL import ImageCms

    return ImageCms.createProfile("sRGB")


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    return _apply(image, ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB"))
