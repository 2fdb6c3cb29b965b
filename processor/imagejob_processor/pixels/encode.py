"""Encoders, with explicit options: nothing but the requested metadata is taken over from the source."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any

from PIL import Image

from imagejob_contract.output import Chroma, Compression, Format, Output, quantity_bytes
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.limits import MAX_SIDES
from imagejob_processor.pixels.canvas import flatten
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.pixels.metadata import NO_METADATA, KeptMetadata, SourceMetadata
from imagejob_processor.pixels.palette import ALL_COLOURS, with_palette

DEFAULT_QUALITIES = {Format.JPEG: 82, Format.WEBP: 80, Format.AVIF: 60}
MIN_QUALITY = 10
"""The lowest quality that is tried to reach a size target."""

_CHROMA = {Chroma.FULL: "4:4:4", Chroma.HALF: "4:2:2", Chroma.QUARTER: "4:2:0"}

# Imported when first needed, to save memory and time.
_WRITERS = {
    Format.WEBP: "PIL.WebPImagePlugin",
    Format.AVIF: "PIL.AvifImagePlugin",
    Format.TIFF: "PIL.TiffImagePlugin",
}


def check_size(rendition: Rendition, size: Size) -> None:
    """Check the size of an output against the limit of its format.

    Raises:
        ItemFailure: IMG_009.
    """
    limit = MAX_SIDES[rendition.output.format]
    if max(size) > limit:
        raise ItemFailure(
            ItemCode.OUTPUT_TOO_LARGE,
            f"rendition {rendition.name!r}: the output would have {size[0]}x{size[1]} pixels, "
            f"over the {rendition.output.format} limit of {limit} pixels per side; "
            "reduce the size or use another format",
        )


def encode(image: Image.Image, output: Output, metadata: SourceMetadata = NO_METADATA) -> bytes:
    """Encode an L, RGB or RGBA image in sRGB; no profile is written, since sRGB is the default.

    Args:
        image: The image.
        output: Format and options.
        metadata: Metadata of the source, of which `output.metadata` keeps some.

    Raises:
        ItemFailure: IMG_009, the size target cannot be reached.
    """
    return encode_with(image, output, metadata.select(output.format, output.metadata, image.size))


def encode_with(
    image: Image.Image, output: Output, kept: KeptMetadata, options: Mapping[str, Any] = MappingProxyType({})
) -> bytes:
    """Encode an image as `encode` does, with further options of Pillow's encoder."""
    form = output.format
    if form in _WRITERS:
        importlib.import_module(_WRITERS[form])
    image = to_format(image, output)

    def save(quality: int) -> bytes:
        file, more = BytesIO(), {**options, **kept.options(form)}
        image.save(file, form.upper(), **_options(output, quality, grey=image.mode == "L"), **more)
        return kept.complete(form, file.getvalue())

    def at(quality: int) -> bytes:
        nonlocal kept
        try:
            return save(quality)
        except Exception:
            if form not in (Format.AVIF, Format.TIFF) or not kept.exif:
                raise
        # Pillow and libavif parse this EXIF, and do not accept all that is broken.
        kept = kept.without_exif()
        return save(quality)

    return encode_to_size(output, at)


def encode_to_size(output: Output, at: Callable[[int], bytes]) -> bytes:
    """Encode `at` the requested quality, or at the highest lower one that reaches the size target.

    Raises:
        ItemFailure: IMG_009, the target cannot be reached.
    """
    best = output.quality or DEFAULT_QUALITIES.get(output.format, 0)
    return at(best) if output.max_size is None else _bisect(quantity_bytes(output.max_size), best, at)


def _bisect(max_bytes: int, best: int, at: Callable[[int], bytes]) -> bytes:
    """Find the highest quality, at most `best`, whose file has at most `max_bytes` bytes."""
    data = at(best)
    if len(data) <= max_bytes:
        return data
    low, high = min(MIN_QUALITY, best), best
    found = at(low) if low < high else data
    if len(found) > max_bytes:
        raise ItemFailure(
            ItemCode.OUTPUT_TOO_LARGE,
            f"the output has {len(found)} bytes at quality {low}, over the maxSize of {max_bytes}; "
            "raise maxSize or reduce the size in pixels",
        )
    while high - low > 1:
        middle = (low + high) // 2
        data = at(middle)
        if len(data) <= max_bytes:
            low, found = middle, data
        else:
            high = middle
    return found


def _options(output: Output, quality: int, *, grey: bool) -> dict[str, Any]:
    """Return the encoder's options; greyscale has no chroma to subsample."""
    chroma = _CHROMA[output.chroma or Chroma.QUARTER]
    match output.format:
        case Format.JPEG:
            return {
                "quality": quality,
                "subsampling": chroma,
                "optimize": True,
                "progressive": output.progressive,
            }
        case Format.PNG:
            return {"compress_level": 6}
        case Format.WEBP:
            if output.compression in (Compression.LOSSLESS, Compression.NEAR_LOSSLESS):
                # Quality is the compression level here; `exact` keeps the colours of transparent pixels.
                exact = output.compression is Compression.LOSSLESS
                return {"lossless": True, "quality": 75, "method": 4, "exact": exact}
            return {"quality": quality, "method": 4}
        case Format.AVIF:
            speed = 8 if output.speed is None else output.speed
            options = {"quality": quality, "speed": speed, "max_threads": 1, "codec": "aom"}
            return options if grey else {**options, "subsampling": chroma}
        case Format.GIF:
            return {"optimize": False}
        case Format.TIFF:
            return {"compression": "tiff_adobe_deflate"}
        case Format.SAME:
            raise ValueError("output.format Same must be resolved for each source first")


def to_format(image: Image.Image, output: Output) -> Image.Image:
    """Convert the pixels to what the format supports, and to the requested palette; without `info`."""
    return _without_info(_converted(image, output))


def _converted(image: Image.Image, output: Output) -> Image.Image:
    form = output.format
    if form is Format.JPEG:
        return flatten(image, None)
    if output.compression is Compression.NEAR_LOSSLESS:
        return _to_even_samples(image)
    if form is Format.GIF or output.colors is not None:
        return with_palette(image, output.colors or ALL_COLOURS, alpha=form is not Format.GIF)
    return image


def _to_even_samples(image: Image.Image) -> Image.Image:
    """Round colour samples to even values, except 255; alpha stays as it is."""
    rounded = [255 if value == 255 else value & ~1 for value in range(256)]
    if image.mode != "RGBA":
        return image.point(rounded * len(image.getbands()))
    return image.point(rounded * 3 + list(range(256)))


def _without_info(image: Image.Image) -> Image.Image:
    """Return the same pixels without the `info` from which Pillow's encoders take profiles and comments."""
    if type(image) is Image.Image and not image.info:
        return image
    clean = image.copy()
    clean.info = {
        name: image.info[name] for name in ("transparency",) if image.mode == "P" and name in image.info
    }
    return clean
