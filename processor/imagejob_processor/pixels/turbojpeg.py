"""TurboJPEG: a JPEG to planes of lightness and colour and back, which is how the format itself keeps them.

The library is the system's (Debian: libturbojpeg0); its C interface has been the same since 2015. Whatever it
finds odd in a file it leaves to Pillow, so that there is one judge of what is broken.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from imagejob_processor.pixels.geometry import Size

LIBRARY = "libturbojpeg.so.0"

_YCBCR = 1
_STOP_ON_WARNING, _LIMIT_SCANS, _PROGRESSIVE, _ACCURATE_DCT = 8192, 32768, 16384, 4096
_FACTORS = {0: (1, 1), 1: (2, 1), 2: (2, 2), 4: (1, 2), 5: (4, 1)}
"""Pixels across and down that one sample of colour stands for, by the library's number."""

_NUMBERS = {factors: number for number, factors in _FACTORS.items()}
_LEAST_REDUCED = 64
"""The library takes a size and looks for a scale; shorter sides could mean several."""

_TRIAL_DIFFERENCE = 3


@dataclass(frozen=True)
class Planes:
    """A picture as a JPEG keeps it.

    Attributes:
        images: Lightness, blueness and redness, each as grey.
        factors: Pixels across and down that one sample of colour stands for. Where they do not divide the
            size, the last sample stands for fewer.
    """

    images: tuple[Image.Image, Image.Image, Image.Image]
    factors: tuple[int, int]

    @property
    def size(self) -> Size:
        """Width and height of the picture."""
        return self.images[0].size


def samples(size: Size, factors: tuple[int, int]) -> Size:
    """Tell how many samples of colour a picture of `size` has, across and down."""
    return (-(-size[0] // factors[0]), -(-size[1] // factors[1]))


def reduction(size: Size, least: Size) -> int:
    """Tell by how much the sides may be divided in the decoder, 1, 2, 4 or 8, so that `least` is left."""
    most = min(min(size) // _LEAST_REDUCED, size[0] // least[0], size[1] // least[1])
    return next((scale for scale in (8, 4, 2) if scale <= most), 1)


def _plane_sizes(size: Size, factors: tuple[int, int]) -> tuple[Size, Size, Size]:
    """Tell how large the library wants the planes: lightness fills up the last samples of colour."""
    colour = samples(size, factors)
    return ((colour[0] * factors[0], colour[1] * factors[1]), colour, colour)


def _filled(image: Image.Image, size: Size) -> Image.Image:
    """Repeat the last column and row up to `size`."""
    if image.size == size:
        return image
    width, height = image.size
    filled = image.crop((0, 0, *size))
    column = image.crop((width - 1, 0, width, height))
    for x in range(width, size[0]):
        filled.paste(column, (x, 0))
    row = filled.crop((0, height - 1, size[0], height))
    for y in range(height, size[1]):
        filled.paste(row, (0, y))
    return filled


class TurboJpeg:
    """The library, with a decoder and an encoder for as long as the process lives."""

    def __init__(self) -> None:
        """Load it.

        Raises:
            OSError: It is not there, or does not do what it should.
        """
        library = ctypes.CDLL(LIBRARY)
        pointer, number, numbers = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
        length = ctypes.c_ulong
        for name, result, arguments in (
            ("tjInitDecompress", pointer, ()),
            ("tjInitCompress", pointer, ()),
            ("tjFree", None, (pointer,)),
            ("tjPlaneSizeYUV", length, (number, number, number, number, number)),
            ("tjDecompressHeader3", number, (pointer, ctypes.c_char_p, length, *[numbers] * 4)),
            (
                "tjDecompressToYUVPlanes",
                number,
                (pointer, ctypes.c_char_p, length, pointer, number, pointer, number, number),
            ),
            (
                "tjCompressFromYUVPlanes",
                number,
                (pointer, pointer, number, pointer, number, number, pointer, pointer, number, number),
            ),
        ):
            try:
                function = getattr(library, name)
            except AttributeError as error:
                raise OSError(f"{LIBRARY} has no {name}") from error
            function.restype, function.argtypes = result, arguments
        # This is how its interface, before version 3, is told to optimize Huffman tables.
        os.environ["TJ_OPTIMIZE"] = "1"
        self._library = library
        self._decoder, self._encoder = library.tjInitDecompress(), library.tjInitCompress()
        self._try()

    def decode(self, data: bytes, size: Size, scale: int) -> Planes | None:
        """Decode a whole and sound file with three planes.

        Args:
            data: The file.
            size: Width and height as its header has been understood.
            scale: What to divide the sides by; see `reduction`.

        Returns:
            None where it is not such a file.

        Raises:
            MemoryError: There is not enough for the planes.
        """
        found = [ctypes.c_int() for _ in range(4)]
        failed = self._library.tjDecompressHeader3(self._decoder, data, len(data), *map(ctypes.byref, found))
        width, height, subsampling, space = (each.value for each in found)
        if failed or (width, height) != size or space != _YCBCR or subsampling not in _FACTORS:
            return None
        factors = _FACTORS[subsampling]
        reduced = samples(size, (scale, scale))
        sizes = _plane_sizes(reduced, factors)
        buffers = [bytearray(across * down) for across, down in sizes]
        if not self._fit(buffers, reduced, subsampling):
            return None
        addresses = [ctypes.addressof(ctypes.c_char.from_buffer(buffer)) for buffer in buffers]
        failed = self._library.tjDecompressToYUVPlanes(
            self._decoder,
            data,
            len(data),
            (ctypes.c_void_p * 3)(*addresses),
            reduced[0],
            None,
            reduced[1],
            _STOP_ON_WARNING | _LIMIT_SCANS,
        )
        if failed:
            return None
        light, blue, red = (
            Image.frombuffer("L", each, buffer, "raw", "L", stride, 1)
            for each, buffer, (stride, _) in zip((reduced, *sizes[1:]), buffers, sizes, strict=True)
        )
        return Planes((light, blue, red), factors)

    def encode(self, planes: Planes, quality: int, *, progressive: bool) -> bytes:
        """Encode, with optimized Huffman tables and nothing but pixels.

        Raises:
            OSError: The library cannot.
        """
        sizes = _plane_sizes(planes.size, planes.factors)
        content = [_filled(image, size).tobytes() for image, size in zip(planes.images, sizes, strict=True)]
        return self._compressed(content, planes.size, planes.factors, quality, progressive=progressive)

    def _compressed(
        self,
        content: Sequence[bytes],
        size: Size,
        factors: tuple[int, int],
        quality: int,
        *,
        progressive: bool = False,
    ) -> bytes:
        if not self._fit(content, size, _NUMBERS[factors]):
            raise OSError(f"the planes of {size[0]}x{size[1]} pixels are not as long as {LIBRARY} wants them")
        addresses = [ctypes.cast(ctypes.c_char_p(plane), ctypes.c_void_p) for plane in content]
        made, length = ctypes.c_void_p(), ctypes.c_ulong()
        failed = self._library.tjCompressFromYUVPlanes(
            self._encoder,
            (ctypes.c_void_p * 3)(*addresses),
            size[0],
            None,
            size[1],
            _NUMBERS[factors],
            ctypes.byref(made),
            ctypes.byref(length),
            quality,
            _ACCURATE_DCT | (_PROGRESSIVE if progressive else 0),
        )
        try:
            if failed:
                raise OSError("the JPEG encoder failed")
            return ctypes.string_at(made, length.value)
        finally:
            self._library.tjFree(made)

    def _fit(self, planes: Sequence[bytes | bytearray], size: Size, subsampling: int) -> bool:
        """Tell whether the planes are as long as the library thinks, which is told addresses only."""
        lengths = (
            self._library.tjPlaneSizeYUV(number, size[0], 0, size[1], subsampling)
            for number in range(len(planes))
        )
        return all(length == len(plane) for length, plane in zip(lengths, planes, strict=True))

    def _try(self) -> None:
        """See whether a small picture comes back as it went."""
        size, factors = (24, 16), (2, 2)
        content = [bytes(range(0, 192, 12)) * 24, bytes([90]) * 96, bytes([170]) * 96]
        planes = self.decode(self._compressed(content, size, factors, 100), size, 1)
        came = [image.tobytes() for image in planes.images] if planes and planes.factors == factors else []
        pairs = [
            pair
            for before, after in zip(content, came, strict=False)
            for pair in zip(before, after, strict=True)
        ]
        if not pairs or max(abs(before - after) for before, after in pairs) > _TRIAL_DIFFERENCE:
            raise OSError(f"{LIBRARY} does not give back what it was given")
