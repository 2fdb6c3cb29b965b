"""From the samples of a source, of 1 to 16 bits, to a mode of 8 bits that can be resampled.

Every sample of more than 8 bits becomes the nearest 8-bit value. Pillow keeps all 16 bits of grey images; of
others it keeps the upper byte of each sample. The lower bytes are decoded as a second image, with the byte
order reversed, so that rounding and the comparison with a transparent colour are exact.
"""

from __future__ import annotations

import functools
import re
import sys
from io import BytesIO

from PIL import Image, ImageChops, ImageFile

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.headers.header import PLAIN, Header, Samples
from imagejob_processor.pixels.geometry import strips

_DIRECT = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB")
_CONVERTED = {"1": "L", "La": "LA", "RGBa": "RGBA", "RGBX": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_UNSUPPORTED = {"F": "32-bit floating-point", "I": "32-bit integer"}
_DEEP = re.compile(r"(RGB|RGBA|RGBa|RGBX|CMYK);16([BLN])")
_GREY_ALPHA, _PREMULTIPLIED = "LA;16B", "RGBa"
_OTHER_ORDER = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}
_DEEP_FORMATS = ("PNG", "TIFF")


def decode_samples(header: Header, image: Image.Image) -> Image.Image:
    """Decode an opened image, in one of the modes L, LA, RGB, RGBA, CMYK, LAB.

    Args:
        header: The file that `image` was opened from, with how to read its samples.
        image: The image; it cannot be used again.

    Raises:
        ItemFailure: IMG_003, see `to_resizable_mode`.
    """
    second = _open_again(header, image) if image.format in _DEEP_FORMATS else None
    rawmode = _rawmode(second) if second else ""
    if second and rawmode == _GREY_ALPHA:
        _set_rawmode(second, "RGBA")
        second.load()
        return _merge_grey_alpha(second)
    deep = _DEEP.fullmatch(rawmode)
    if second is None or deep is None:
        image.load()
        return to_resizable_mode(image, header.samples)
    mode, order = deep[1].replace(_PREMULTIPLIED, "RGBA"), deep[2]
    if deep[1] == _PREMULTIPLIED:
        image = _open_again(header, image)
        _set_rawmode(image, f"{mode};16{order}")
    _set_rawmode(second, f"{mode};16{_OTHER_ORDER[order]}")
    image.load()
    second.load()
    clear = header.samples.clear
    opacity = Image.new("L", image.size, 255) if clear else None
    for box in strips(image.size):
        upper, lower = image.crop(box), second.crop(box)
        near = _nearest(upper, lower)
        if deep[1] == _PREMULTIPLIED:
            near = Image.merge("RGBa", near.split()).convert("RGBA")
        image.paste(near, box)
        if opacity is not None and clear:
            opacity.paste(_differs(upper, lower, clear), box)
    if opacity is not None:
        image.putalpha(opacity)
    return image


def to_resizable_mode(image: Image.Image, samples: Samples = PLAIN) -> Image.Image:
    """Convert a decoded image to one of the modes L, LA, RGB, RGBA, CMYK, LAB.

    Raises:
        ItemFailure: IMG_003, for sample types without a defined white, such as 32-bit floats.
    """
    transparent = image.info.get("transparency")
    if image.mode in ("1", "L") and isinstance(transparent, int):
        grey = image.convert("L")
        return Image.merge("LA", (grey, grey.point([255 * (value != transparent) for value in range(256)])))
    if image.mode in ("P", "PA") or (transparent is not None and not image.mode.startswith("I;16")):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode.startswith("I;16"):
        wide = image.convert("I")
        grey = wide.point(_grey_table(samples.black, samples.white), "L")
        return grey if transparent is None else Image.merge("LA", (grey, _grey_opacity(wide, transparent)))
    if image.mode in _DIRECT:
        return image
    if image.mode in _CONVERTED:
        return image.convert(_CONVERTED[image.mode])
    raise ItemFailure(
        ItemCode.UNSUPPORTED_FORMAT,
        f"{_UNSUPPORTED.get(image.mode, image.mode)} pixels are not supported; "
        "use 1-bit, 8-bit or 16-bit grayscale, RGB, CMYK or a palette",
    )


@functools.lru_cache(maxsize=4)
def _grey_table(black: int, white: int) -> list[int]:
    """Return the nearest 8-bit value of every 16-bit sample."""
    span, sign = abs(white - black), 1 if white > black else -1
    distances = (min(max(sign * (value - black), 0), span) for value in range(65536))
    return [(510 * distance + span) // (2 * span) for distance in distances]


def _grey_opacity(wide: Image.Image, transparent: int) -> Image.Image:
    table = [255] * 65536
    table[transparent] = 0
    return wide.point(table, "L")


def _merge_grey_alpha(image: Image.Image) -> Image.Image:
    """Round 16-bit grey with alpha, decoded with its four bytes as RGBA."""
    made = Image.new("LA", image.size)
    for box in strips(image.size):
        grey, grey_low, alpha, alpha_low = image.crop(box).split()
        made.paste(Image.merge("LA", (_nearest(grey, grey_low), _nearest(alpha, alpha_low))), box)
    return made


def _nearest(upper: Image.Image, lower: Image.Image) -> Image.Image:
    """Return the 8-bit values nearest to 16-bit samples: 256 * u + l is 257 * u + (l - u)."""
    step = [int(value > 128) for value in range(256)] * len(upper.getbands())
    more = ImageChops.subtract(lower, upper).point(step)
    less = ImageChops.subtract(upper, lower).point(step)
    return ImageChops.subtract(ImageChops.add(upper, more), less)


def _differs(upper: Image.Image, lower: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """Return 0 where the 16-bit samples are those of `colour`, and 255 elsewhere."""
    found = Image.new("L", upper.size, 0)
    for high, low, value in zip(upper.split(), lower.split(), colour, strict=True):
        for byte, plane in ((value >> 8, high), (value & 255, low)):
            found = ImageChops.lighter(found, plane.point([255 * (other != byte) for other in range(256)]))
    return found


def _open_again(header: Header, image: Image.Image) -> Image.Image:
    """Open the file once more: reading the EXIF of `image` may have decoded it."""
    again = Image.open(BytesIO(header.data), formats=(image.format or "",))
    # Pillow would apply the orientation in it to a TIFF.
    again.info.pop("xmp", None)
    return again


def _rawmode(image: Image.Image) -> str:
    """Return how the decoder reads the bytes of a pixel, in Pillow's words."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0].args if tiles else ""
    found = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return found if isinstance(found, str) else ""


def _set_rawmode(image: Image.Image, rawmode: str) -> None:
    assert isinstance(image, ImageFile.ImageFile)  # noqa: S101 - it was opened
    image.tile = [
        tile._replace(args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode)
        for tile in image.tile
    ]
