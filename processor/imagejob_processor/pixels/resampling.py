"""Resampling engines.

An engine resamples Pillow images. Everything else is shared, except the codec that an engine may have for
JPEGs made from JPEGs (decision 17 has the measurements).
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

_REDUCING_GAP = 3.0
"""Pillow first reduces by an integer factor, to this multiple of the target: about as good, much faster."""

_PIXEL_BYTES = 4
_SLACK_BYTES = 1 << 20
_MAX_DIFFERENCE = 2
_MAX_SIDE = 65535
_WEIGHT_BYTES = 64
"""The filter's weights for each row and column of the source."""


class Engine(Protocol):
    """Resamples images; `codec` resizes JPEGs as planes, if there is one."""

    name: EngineName
    codec: TurboJpeg | None

    def resample(self, image: Image.Image, box: Box, size: Size, how: Resample) -> Image.Image:
        """Resample the part `box` of `image` to `size` with a Lanczos filter; `image` is not changed."""


class Pillow:
    """Pillow's filter, for every mode."""

    name = EngineName.PILLOW
    codec: TurboJpeg | None = None

    def resample(self, image: Image.Image, box: Box, size: Size, how: Resample) -> Image.Image:
        """See `Engine`; only Best filters all pixels in one pass."""
        gap = None if how is Resample.BEST else _REDUCING_GAP
        return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=gap)


class Simd:
    """The filter of fast_image_resize: one pass over all pixels, several times as fast.

    It supports L, RGB, RGBA and CMYK; Pillow resamples other modes, and images with very long sides, for
    which the filter's table of weights would take more memory than the image.
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
            MemoryError: It needs too much memory; the library itself would abort the process.
        """
        if image.mode not in self._MODES or max(image.size) > _MAX_SIDE:
            return PILLOW.resample(image, box, size, how)
        _check_memory(_PIXEL_BYTES * _working_pixels(image, size) + _WEIGHT_BYTES * sum(image.size))
        left, top = max(0.0, box[0]), max(0.0, box[1])
        width, height = min(box[2], image.width) - left, min(box[3], image.height) - top
        made = Image.new(image.mode, size)
        options = self._library.ResizeOptions(
            resize_alg=self._filter, crop_box=self._library.CropBox(left, top, width, height)
        )
        # A new one each time, since it keeps its buffers.
        self._library.Resizer().resize_pil(image, made, options)
        return made


PILLOW: Engine = Pillow()


def load_engine(name: EngineName) -> Engine:
    """Return the engine of that name, or Pillow if its library is missing or fails its self-test."""
    return (_simd() or PILLOW) if name is EngineName.SIMD else PILLOW


@functools.cache
def _simd() -> Engine | None:
    """Load the SIMD engine and test it: it depends on the layout of Pillow's memory."""
    try:
        engine = Simd()
        noise = bytes(index * index * 37 % 251 for index in range(61 * 43 * 3))
        trial = (Image.frombytes("RGB", (61, 43), noise), (3.5, 0.0, 61.0, 41.25), (31, 17), Resample.BEST)
        one, other = engine.resample(*trial).tobytes(), PILLOW.resample(*trial).tobytes()
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError):
        return None
    worst = max(abs(ours - theirs) for ours, theirs in zip(one, other, strict=True))
    return engine if worst <= _MAX_DIFFERENCE else None


@functools.cache
def _codec() -> TurboJpeg | None:
    """Load the JPEG codec, if the system has it."""
    from imagejob_processor.pixels.turbojpeg import TurboJpeg

    try:
        return TurboJpeg()
    except OSError:
        return None


def _working_pixels(image: Image.Image, size: Size) -> int:
    """Count the pixels of one call: the result, the buffer between passes, and a copy if there is alpha."""
    between = max(image.width * size[1], size[0] * image.height)
    return size[0] * size[1] + between + (image.width * image.height if image.mode == "RGBA" else 0)


def _check_memory(size: int) -> None:
    """Check that `size` bytes of address space are available.

    Raises:
        MemoryError: They are not.
    """
    try:
        mmap.mmap(-1, size + _SLACK_BYTES).close()
    except OSError as error:
        raise MemoryError(f"{size} bytes for a resize") from error
