"""Encode: pixels to bytes, with every choice written down and nothing taken over from the source."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from imagejob_contract.output import Chroma, Compression, Format, Output, quantity_bytes
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.limits import MAX_SIDES
from imagejob_processor.pixels.canvas import flattened
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.pixels.metadata import NOTHING, Records

DEFAULT_QUALITIES = {Format.JPEG: 82, Format.WEBP: 80, Format.AVIF: 60}
LOWEST_QUALITY = 10
"""A size target is given up at this quality: below it a picture is of no use to anybody."""

_CHROMA = {Chroma.FULL: "4:4:4", Chroma.HALF: "4:2:2", Chroma.QUARTER: "4:2:0"}
_ALL_COLOURS = 256
_PALETTE_PIXELS = 1_000_000

# Not loaded by Pillow itself, and not by us before they are needed: they cost memory and time.
_WRITERS = {
    Format.WEBP: "PIL.WebPImagePlugin",
    Format.AVIF: "PIL.AvifImagePlugin",
    Format.TIFF: "PIL.TiffImagePlugin",
}


@dataclass(frozen=True)
class Motion:
    """The frames of an animation.

    Attributes:
        frames: All of them, of one size.
        durations: How long each is shown, in milliseconds.
        loop: How often all is repeated, 0 for ever; None: it is shown once.
    """

    frames: tuple[Image.Image, ...]
    durations: tuple[int, ...]
    loop: int | None


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


def encode(
    image: Image.Image, output: Output, records: Records = NOTHING, motion: Motion | None = None
) -> bytes:
    """Encode an L, RGB or RGBA image; colours are sRGB by convention, so no profile is written.

    Args:
        image: What to encode.
        output: How.
        records: What the source says beside its pixels, of which `output.metadata` keeps some.
        motion: All frames, if there are several; `image` is the first of them.

    Raises:
        ItemFailure: IMG_009, the size target cannot be reached.
    """
    form = output.format
    if form in _WRITERS:
        importlib.import_module(_WRITERS[form])
    image = _without_memory(_prepared(image, output))
    beside = records.options(form, output.metadata)
    if motion is not None:
        beside |= _motion_options(motion, output)

    def at(quality: int) -> bytes:
        file = BytesIO()
        image.save(file, form.upper(), **_options(output, quality, grey=image.mode == "L"), **beside)
        return file.getvalue()

    return fitted(output, at)


def fitted(output: Output, at: Callable[[int], bytes]) -> bytes:
    """Encode `at` the quality that was asked for, or at the highest one that keeps to the size target.

    Raises:
        ItemFailure: IMG_009, it cannot be reached.
    """
    best = output.quality or DEFAULT_QUALITIES.get(output.format, 0)
    return at(best) if output.max_size is None else _within(quantity_bytes(output.max_size), best, at)


def _within(most: int, best: int, at: Callable[[int], bytes]) -> bytes:
    """Find the highest quality, of `best` at most, that gives no more than `most` bytes, by bisection.

    Raises:
        ItemFailure: IMG_009, when the lowest one gives more.
    """
    data = at(best)
    if len(data) <= most:
        return data
    low, high = min(LOWEST_QUALITY, best), best
    found = at(low) if low < high else data
    if len(found) > most:
        raise ItemFailure(
            ItemCode.OUTPUT_TOO_LARGE,
            f"{len(found)} bytes at quality {low}, over the maxSize of {most}: allow more, or make the "
            "picture smaller",
        )
    while high - low > 1:
        middle = (low + high) // 2
        data = at(middle)
        if len(data) <= most:
            low, found = middle, data
        else:
            high = middle
    return found


def _options(output: Output, quality: int, *, grey: bool) -> dict[str, Any]:
    """Give the encoder's options; a grey picture has no colours to be kept finely."""
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
                # Here quality is the effort. What is clear keeps its colours only where nothing may change.
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
            raise ValueError("output.format Same stands for another one, which each source's name says")


def _motion_options(motion: Motion, output: Output) -> dict[str, Any]:
    """Give the options that add the other frames; each is whole and takes the place of the one before."""
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": [_without_memory(_prepared(frame, output)) for frame in motion.frames[1:]],
        "duration": list(motion.durations),
    }
    if output.format is Format.GIF:
        return {**options, "disposal": 2, **({} if motion.loop is None else {"loop": motion.loop})}
    # Parts of frames lose the mark that there is anything clear, so that some decoders fill it with black.
    whole = {"kmin": 1, "kmax": 1} if any(frame.mode == "RGBA" for frame in motion.frames) else {}
    return {**options, **whole, "loop": 1 if motion.loop is None else motion.loop}


def _prepared(image: Image.Image, output: Output) -> Image.Image:
    """Bring the pixels to what the format holds, and to the palette that was asked for."""
    form = output.format
    if form is Format.JPEG:
        return flattened(image, None)
    if output.compression is Compression.NEAR_LOSSLESS:
        return _even(image)
    if form is Format.GIF or output.colors is not None:
        return _with_palette(image, output.colors or _ALL_COLOURS, solid=form is not Format.GIF)
    return image


def _even(image: Image.Image) -> Image.Image:
    """Round samples of colour to even values, one step away at most; white stays white, opacity as it is."""
    rounded = [255 if value == 255 else value & ~1 for value in range(256)]
    if image.mode != "RGBA":
        return image.point(rounded * len(image.getbands()))
    return image.point(rounded * 3 + list(range(256)))


def _with_palette(image: Image.Image, colours: int, *, solid: bool) -> Image.Image:
    """Reduce to at most `colours` colours; GIF knows only clear and solid, PNG degrees of it."""
    if image.mode == "RGBA" and (solid or image.getchannel("A").getextrema() == (255, 255)):
        return image.quantize(colours, method=Image.Quantize.FASTOCTREE)
    return _with_clear_colour(image, colours) if image.mode == "RGBA" else _reduced(image, colours)


def _reduced(image: Image.Image, colours: int) -> Image.Image:
    """Take the palette from at most a megapixel: the search for it remembers every colour that it meets."""
    excess = math.ceil(math.sqrt(image.width * image.height / _PALETTE_PIXELS))
    if excess <= 1:
        return image.quantize(colours, method=Image.Quantize.MEDIANCUT)
    small = image.reduce(excess).convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT)
    return image.convert("RGB").quantize(palette=small, dither=Image.Dither.NONE)


def _with_clear_colour(image: Image.Image, colours: int) -> Image.Image:
    """Make a palette with one clear entry more: for where the image is less than half solid."""
    opacity = image.getchannel("A")
    reduced = _reduced(image.convert("RGB"), colours - 1)
    reduced.paste(colours - 1, mask=opacity.point([255 * (value < 128) for value in range(256)]))
    reduced.info["transparency"] = colours - 1
    return reduced


def _without_memory(image: Image.Image) -> Image.Image:
    """Give the same pixels without the `info` from which Pillow's writers take profiles and comments."""
    if type(image) is Image.Image and not image.info:
        return image
    clean = image.copy()
    clean.info = {
        name: image.info[name] for name in ("transparency",) if image.mode == "P" and name in image.info
    }
    return clean
