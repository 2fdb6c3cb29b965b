"""Engine: the arithmetic of resampling, which is most of what is left to gain once a codec is chosen.

An engine resamples Pillow's images into Pillow's images. The operations are shared, and so are decoding and
encoding but for a codec that an engine may bring for JPEGs made from JPEGs, so that whatever holds for one
engine holds for all (decision 17 has the measurements). One that lacks a way falls back to
Pillow for that picture.
"""

from __future__ import annotations

import functools
import mmap
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from imagejob_contract.order import EngineName
from imagejob_contract.recipe import Resample
from imagejob_processor.pixels.geometry import Box, Size

if TYPE_CHECKING:
    from imagejob_processor.pixels.turbojpeg import TurboJpeg

_GAP = 3.0
"""Pillow first shrinks by whole numbers down to this multiple of the target: about as good, much faster."""

_PIXEL_BYTES = 4
_SLACK_BYTES = 1 << 20
_TRIAL_DIFFERENCE = 2


class Engine(Protocol):
    """Resamples pictures; `name` is what it is chosen by, `codec` what JPEGs go straight through."""

    name: EngineName
    codec: TurboJpeg | None

    def resample(self, image: Image.Image, box: Box, size: Size, how: Resample) -> Image.Image:
        """Bring the part `box` of `image` to `size` with a LANCZOS filter; the image itself stays."""


class Pillow:
    """Pillow's own filter: takes every mode that Pillow has."""

    name = EngineName.PILLOW
    codec: TurboJpeg | None = None

    def resample(self, image: Image.Image, box: Box, size: Size, how: Resample) -> Image.Image:
        """See `Engine`; only Best filters in one pass whatever the reduction is."""
        gap = None if how is Resample.BEST else _GAP
        return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


class Simd:
    """The filter of fast_image_resize: always one pass over all pixels, several times as fast.

    Grey, RGB, RGBA and CMYK only; what else there is goes to Pillow.
    """

    name = EngineName.SIMD
    _MODES = ("L", "RGB", "RGBA", "CMYK")

    def __init__(self) -> None:
        import cykooz_resizer

        self.codec = _codec()
        self._library: Any = cykooz_resizer
        self._filter = cykooz_resizer.ResizeAlg.convolution(cykooz_resizer.FilterType.lanczos3)

    def resample(self, image: Image.Image, box: Box, size: Size, how: Resample) -> Image.Image:
        """See `Engine`.

        Raises:
            MemoryError: There is not enough; the library itself would end the process.
        """
        if image.mode not in self._MODES:
            return PILLOW.resample(image, box, size, how)
        _assure(_PIXEL_BYTES * _working_pixels(image, size))
        left, top = max(0.0, box[0]), max(0.0, box[1])
        width, height = min(box[2], image.width) - left, min(box[3], image.height) - top
        made = Image.new(image.mode, size)
        options = self._library.ResizeOptions(
            resize_alg=self._filter, crop_box=self._library.CropBox(left, top, width, height)
        )
        # A new one each time: it would keep its working memory otherwise.
        self._library.Resizer().resize_pil(image, made, options)
        return made


PILLOW: Engine = Pillow()


def engine_of(name: EngineName) -> Engine:
    """Give the engine of that name, or Pillow where its library is not there or does not work."""
    return (_simd() or PILLOW) if name is EngineName.SIMD else PILLOW


@functools.cache
def _simd() -> Engine | None:
    """Load the SIMD engine and try it: it reaches into Pillow's memory, whose layout it must know."""
    try:
        engine = Simd()
        noise = bytes(index * index * 37 % 251 for index in range(61 * 43 * 3))
        trial = (Image.frombytes("RGB", (61, 43), noise), (3.5, 0.0, 61.0, 41.25), (31, 17), Resample.BEST)
        one, other = engine.resample(*trial).tobytes(), PILLOW.resample(*trial).tobytes()
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError):
        return None
    worst = max(abs(ours - theirs) for ours, theirs in zip(one, other, strict=True))
    return engine if worst <= _TRIAL_DIFFERENCE else None


@functools.cache
def _codec() -> TurboJpeg | None:
    """Load the codec for planes, where the system has it."""
    from imagejob_processor.pixels.turbojpeg import TurboJpeg

    try:
        return TurboJpeg()
    except OSError:
        return None


def _working_pixels(image: Image.Image, size: Size) -> int:
    """Count what one call makes: the result, what lies between its two passes, with opacity a copy too."""
    between = max(image.width * size[1], size[0] * image.height)
    return size[0] * size[1] + between + (image.width * image.height if image.mode == "RGBA" else 0)


def _assure(size: int) -> None:
    """See whether there is address space for `size` bytes; they are not touched.

    Raises:
        MemoryError: There is not.
    """
    try:
        mmap.mmap(-1, size + _SLACK_BYTES).close()
    except OSError as error:
        raise MemoryError(f"{size} bytes for a resize") from error
