"""Source images for tests, and comparison of the results."""

import functools
import importlib
import io

import numpy as np
from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format, Output
from imagejob_contract.recipe import Fit, Rendition, Resample, Resize, Step
from imagejob_processor.pixels.resampling import PILLOW, Engine
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.rendering.pipeline import render

PLUGINS = {"HEIF": "pillow_heif.HeifImagePlugin", "JXL": "pillow_jxl"}
"""Formats that Pillow writes by other packages; the processor does not write them."""

LIMITS = ItemLimits(item_bytes=64 << 20, pixels=50_000_000, frames=100, item_timeout_seconds=30)


def limits(item_bytes: int = 1 << 30, pixels: int = 1 << 30, frames: int = 1 << 20) -> ItemLimits:
    return ItemLimits(item_bytes=item_bytes, pixels=pixels, frames=frames, item_timeout_seconds=30)


@functools.cache
def photo(width: int = 320, height: int = 200) -> Image.Image:
    """A smooth image that differs in every corner, so that rotations and flips are detected."""
    y, x = np.mgrid[0:height, 0:width]
    red = 255 * x / width
    green = 255 * y / height
    blue = 127 + 127 * np.sin(x / 17) * np.cos(y / 13)
    return Image.fromarray(np.dstack([red, green, blue]).astype(np.uint8))


def file(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    if form in PLUGINS:
        importlib.import_module(PLUGINS[form])
    if form == "HEIF":
        options = {"quality": 95, "enc_params": {"preset": "ultrafast", "x265:pools": "none"}} | options
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


@functools.cache
def stored(form: str) -> bytes:
    return file(photo(), form)


def jpeg(image: Image.Image, **options: object) -> bytes:
    return file(image, "JPEG", quality=95, subsampling=0, **options)


def rendition(
    *steps: Step, name: str = "out", form: Format = Format.PNG, quality: int | None = None
) -> Rendition:
    return Rendition(name=name, output=Output(format=form, quality=quality), steps=steps)


def resized(
    width: int | None, height: int | None, fit: Fit = Fit.INSIDE, how: Resample = Resample.BALANCED
) -> Step:
    return Step(resize=Resize(width=width, height=height, fit=fit, resample=how))


def make(
    data: bytes, *renditions: Rendition, limits: ItemLimits = LIMITS, engine: Engine = PILLOW
) -> dict[str, EncodedRendition]:
    found = render(data, renditions, limits, engine)
    return {made.rendition: made for made in found if isinstance(made, EncodedRendition)}


def made(data: bytes, *steps: Step, limits: ItemLimits = LIMITS) -> Image.Image:
    """The result of `steps`, losslessly encoded."""
    return opened(make(data, rendition(*steps), limits=limits)["out"])


def opened(encoded: EncodedRendition) -> Image.Image:
    image = Image.open(io.BytesIO(encoded.data))
    image.load()
    assert image.size == (encoded.width, encoded.height)
    return image


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of a sample, 0..255; 255 if the sizes differ."""
    if one.size != other.size:
        return 255.0
    pair = [np.asarray(image.convert("RGB"), dtype=float) for image in (one, other)]
    return float(np.abs(pair[0] - pair[1]).mean())
