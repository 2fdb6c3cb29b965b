"""What a file shows, by another library: libvips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyvips
from numpy.typing import NDArray

Samples = NDArray[np.uint8]
"""Height x width x 4: red, green, blue, alpha in 8-bit sRGB, not premultiplied."""


def read(data: bytes) -> Samples:
    """Decode the first frame of a file, upright.

    Raises:
        pyvips.Error: libvips cannot read the file, or warns of it.
    """
    image: Any = pyvips.Image.new_from_buffer(data, "", access="random", fail_on="warning").autorot()
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="perceptual")
    image = image.colourspace("srgb").cast("uchar")
    if not image.hasalpha():
        image = image.bandjoin(255)
    found: Samples = image.numpy()
    return found


SRGB_GAMMA = 45_455
"""What gAMA has for sRGB."""


def other_picture(data: bytes) -> str:
    """Why libvips shows another picture than a browser; empty if it does not."""
    header = data[: data.find(b"IDAT")]
    own_colours = any(name in header for name in (b"iCCP", b"sRGB"))
    if not data.startswith(b"\x89PNG"):
        return ""
    if b"acTL" in header and b"fcTL" not in header:
        return "PNG with a default image that is not part of its animation: libvips shows the default image"
    if b"gAMA" in header and not own_colours:
        start = header.index(b"gAMA") + 4
        of_srgb = abs(int.from_bytes(header[start : start + 4], "big") - SRGB_GAMMA) < 100
        if b"cHRM" in header:
            return "PNG with gAMA and cHRM: libvips ignores them"
        if not of_srgb:
            return "PNG with a gAMA that is not that of sRGB: libvips ignores it"
    return ""


def shrink(samples: Samples, size: tuple[int, int]) -> Samples:
    """Resize to width x height with a Lanczos filter, weighted by opacity."""
    image: Any = pyvips.Image.new_from_array(samples, interpretation="srgb").premultiply()
    image = image.resize(size[0] / image.width, vscale=size[1] / image.height, kernel="lanczos3")
    found: Samples = image.unpremultiply().cast("uchar").numpy()
    return found
