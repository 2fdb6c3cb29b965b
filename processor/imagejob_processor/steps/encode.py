"""Encode: pixels to bytes, with every choice written down and nothing taken over from the source."""

from __future__ import annotations

import importlib
from io import BytesIO
from typing import Any

from PIL import Image

from imagejob_processor.contract import Format, ItemCode, Output, Rendition
from imagejob_processor.failure import ItemFailure
from imagejob_processor.limits import MAX_SIDES
from imagejob_processor.steps.geometry import Size

DEFAULT_QUALITIES = {Format.JPEG: 82, Format.WEBP: 80, Format.AVIF: 60}

_OPTIONS: dict[Format, dict[str, Any]] = {
    Format.JPEG: {"subsampling": "4:2:0", "optimize": True, "progressive": False},
    Format.PNG: {"compress_level": 6},
    Format.WEBP: {"method": 4},
    Format.AVIF: {"speed": 8, "max_threads": 1, "codec": "aom"},
}

# Not loaded by Pillow itself, and not by us before they are needed: they cost memory and time.
_WRITERS = {Format.WEBP: "PIL.WebPImagePlugin", Format.AVIF: "PIL.AvifImagePlugin"}


def check_size(rendition: Rendition, size: Size) -> None:
    """Refuse what the format cannot hold.

    Raises:
        ItemFailure: IMG_009, naming both.
    """
    limit = MAX_SIDES[rendition.output.format]
    if max(size) > limit:
        raise ItemFailure(
            ItemCode.OUTPUT_TOO_LARGE,
            f"rendition {rendition.name!r}: {size[0]}x{size[1]} pixels is over the limit "
            f"of {rendition.output.format}, {limit} a side",
        )


def encode(image: Image.Image, output: Output) -> bytes:
    """Encode an L, RGB or RGBA image; colours are sRGB by convention, so no profile is written."""
    if output.format in _WRITERS:
        importlib.import_module(_WRITERS[output.format])
    if output.format is Format.JPEG and image.mode == "RGBA":
        image = _on_white(image)
    options = dict(_OPTIONS[output.format])
    if output.format in DEFAULT_QUALITIES:
        options["quality"] = output.quality or DEFAULT_QUALITIES[output.format]
    file = BytesIO()
    _without_memory(image).save(file, output.format.upper(), **options)
    return file.getvalue()


def _without_memory(image: Image.Image) -> Image.Image:
    """Give the same pixels without `info`, from which Pillow's writers take profiles and comments."""
    if type(image) is Image.Image and not image.info:
        return image
    clean = image.copy()
    clean.info = {}
    return clean


def _on_white(image: Image.Image) -> Image.Image:
    flat = Image.new("RGB", image.size, "white")
    flat.paste(image, mask=image.getchannel("A"))
    return flat
