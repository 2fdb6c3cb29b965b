"""Tone: operations that change the pixels where they are, and no size."""

from __future__ import annotations

from PIL import Image, ImageFilter

from imagejob_contract.recipe import Blur, Flatten, Grayscale, Sharpen
from imagejob_processor.pixels.canvas import flattened
from imagejob_processor.pixels.geometry import Size


def size_after(step: Blur | Flatten | Grayscale | Sharpen, size: Size) -> Size:
    """Give the size of the result: unchanged."""
    del step
    return size


def apply(step: Blur | Flatten | Grayscale | Sharpen, image: Image.Image) -> Image.Image:
    """Change the pixels; opacity is blurred along with the colours, and never sharpened."""
    if isinstance(step, Flatten):
        return flattened(image, step.background)
    if isinstance(step, Grayscale):
        return _grey(image)
    if isinstance(step, Blur):
        return _blurred(image, step.radius_pixels)
    mask = ImageFilter.UnsharpMask(step.radius_pixels, step.amount_percent, step.threshold)
    return _colours_only(image, mask)


def _grey(image: Image.Image) -> Image.Image:
    return image.convert("LA").convert("RGBA") if image.mode == "RGBA" else image.convert("L")


def _blurred(image: Image.Image, radius: int) -> Image.Image:
    """Blur; colours that cannot be seen do not bleed, since they are weighed by their opacity."""
    blur = ImageFilter.GaussianBlur(radius)
    return image.convert("RGBa").filter(blur).convert("RGBA") if image.mode == "RGBA" else image.filter(blur)


def _colours_only(image: Image.Image, kernel: ImageFilter.UnsharpMask) -> Image.Image:
    if image.mode != "RGBA":
        return image.filter(kernel)
    changed = image.convert("RGB").filter(kernel)
    changed.putalpha(image.getchannel("A"))
    return changed
