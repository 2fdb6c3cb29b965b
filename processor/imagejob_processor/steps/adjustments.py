"""Operations that change pixels in place: blur, flatten, grayscale and sharpen."""

from __future__ import annotations

from PIL import Image, ImageFilter

from imagejob_contract.recipe import Blur, Flatten, Grayscale, Sharpen
from imagejob_processor.pixels.canvas import flatten
from imagejob_processor.pixels.geometry import Size


def size_after(step: Blur | Flatten | Grayscale | Sharpen, size: Size) -> Size:
    """Return the size of the result, which is unchanged."""
    del step
    return size


def apply(step: Blur | Flatten | Grayscale | Sharpen, image: Image.Image) -> Image.Image:
    """Change the pixels; blur includes the alpha channel, sharpen does not."""
    if isinstance(step, Flatten):
        return flatten(image, step.background)
    if isinstance(step, Grayscale):
        return _to_greyscale(image)
    if isinstance(step, Blur):
        return _blur(image, step.radius_pixels)
    mask = ImageFilter.UnsharpMask(step.radius_pixels, step.amount_percent, step.threshold)
    return _filter_colours(image, mask)


def _to_greyscale(image: Image.Image) -> Image.Image:
    return image.convert("LA").convert("RGBA") if image.mode == "RGBA" else image.convert("L")


def _blur(image: Image.Image, radius: int) -> Image.Image:
    """Blur with premultiplied alpha, so that transparent pixels do not bleed."""
    blur = ImageFilter.GaussianBlur(radius)
    return image.convert("RGBa").filter(blur).convert("RGBA") if image.mode == "RGBA" else image.filter(blur)


def _filter_colours(image: Image.Image, kernel: ImageFilter.UnsharpMask) -> Image.Image:
    if image.mode != "RGBA":
        return image.filter(kernel)
    changed = image.convert("RGB").filter(kernel)
    changed.putalpha(image.getchannel("A"))
    return changed
