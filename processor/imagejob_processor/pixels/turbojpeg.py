"""TurboJPEG: a JPEG to planes (Y, Cb, Cr) and back, without converting to RGB.

It uses the C interface of the system's library (Debian: libturbojpeg0), unchanged since 2015. A file that the
library reports anything about is left to Pillow, so that only one decoder decides what is corrupt.
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
"""Pixels across and down for each chroma sample, by the library's number."""

_SUBSAMPLING = {factors: number for number, factors in _FACTORS.items()}
_MIN_REDUCED_SIDE = 64
"""The library derives the scale from the size, which is ambiguous for shorter sides."""

_MAX_DIFFERENCE = 3


@dataclass(frozen=True)
class Planes:
    """The planes of an image, as in a JPEG.

    Attributes:
        images: Y, Cb and Cr, each in mode L.
        factors: Chroma subsampling: pixels across and down for each sample. If they do not divide the size,
            the last sample covers fewer.
    """

    images: tuple[Image.Image, Image.Image, Image.Image]
    factors: tuple[int, int]

    @property
    def size(self) -> Size:
        """Width and height of the image."""
        return self.images[0].size


def chroma_size(size: Size, factors: tuple[int, int]) -> Size:
    """Return the number of chroma samples of an image of `size`, across and down."""
    return (-(-size[0] // factors[0]), -(-size[1] // factors[1]))


def reduction(size: Size, least: Size) -> int:
    """Return the largest reduction by the decoder (1, 2, 4 or 8) that leaves at least `least` pixels."""
    most = min(min(size) // _MIN_REDUCED_SIDE, size[0] // least[0], size[1] // least[1])
    return next((scale for scale in (8, 4, 2) if scale <= most), 1)


def _plane_sizes(size: Size, factors: tuple[int, int]) -> tuple[Size, Size, Size]:
    """Return the sizes of the library's planes; Y is padded to whole chroma samples."""
    colour = chroma_size(size, factors)
    return ((colour[0] * factors[0], colour[1] * factors[1]), colour, colour)


def _extend_edges(image: Image.Image, size: Size) -> Image.Image:
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
    """The library, with one decoder and one encoder for the life of the process."""

    def __init__(self) -> None:
        """Load the library.

        Raises:
            OSError: It is missing or fails its self-test.
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
                raise OSError(f"{LIBRARY} has no function {name}") from error
            function.restype, function.argtypes = result, arguments
        # Before version 3 of its interface, this is the option to optimize Huffman tables.
        os.environ["TJ_OPTIMIZE"] = "1"
        self._library = library
        self._decoder, self._encoder = library.tjInitDecompress(), library.tjInitCompress()
        self._self_test()

    def decode(self, data: bytes, size: Size, scale: int) -> Planes | None:
        """Decode a JPEG with three planes.

        Args:
            data: The file.
            size: Width and height that Pillow read from its header.
            scale: Divisor of the sides; see `reduction`.

        Returns:
            None if it is another kind of file, or not intact.

        Raises:
            MemoryError: The planes need too much memory.
        """
        found = [ctypes.c_int() for _ in range(4)]
        failed = self._library.tjDecompressHeader3(self._decoder, data, len(data), *map(ctypes.byref, found))
        width, height, subsampling, space = (each.value for each in found)
        if failed or (width, height) != size or space != _YCBCR or subsampling not in _FACTORS:
            return None
        factors = _FACTORS[subsampling]
        reduced = chroma_size(size, (scale, scale))
        sizes = _plane_sizes(reduced, factors)
        buffers = [bytearray(across * down) for across, down in sizes]
        if not self._sizes_match(buffers, reduced, subsampling):
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
        y, cb, cr = (
            Image.frombuffer("L", each, buffer, "raw", "L", stride, 1)
            for each, buffer, (stride, _) in zip((reduced, *sizes[1:]), buffers, sizes, strict=True)
        )
        return Planes((y, cb, cr), factors)

    def encode(self, planes: Planes, quality: int, *, progressive: bool) -> bytes:
        """Encode with optimized Huffman tables and without metadata.

        Raises:
            OSError: The encoder failed.
        """
        sizes = _plane_sizes(planes.size, planes.factors)
        content = [
            _extend_edges(image, size).tobytes() for image, size in zip(planes.images, sizes, strict=True)
        ]
        return self._compress(content, planes.size, planes.factors, quality, progressive=progressive)

    def _compress(
        self,
        content: Sequence[bytes],
        size: Size,
        factors: tuple[int, int],
        quality: int,
        *,
        progressive: bool = False,
    ) -> bytes:
        if not self._sizes_match(content, size, _SUBSAMPLING[factors]):
            raise OSError(f"the planes of {size[0]}x{size[1]} pixels have wrong sizes")
        addresses = [ctypes.cast(ctypes.c_char_p(plane), ctypes.c_void_p) for plane in content]
        made, length = ctypes.c_void_p(), ctypes.c_ulong()
        failed = self._library.tjCompressFromYUVPlanes(
            self._encoder,
            (ctypes.c_void_p * 3)(*addresses),
            size[0],
            None,
            size[1],
            _SUBSAMPLING[factors],
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

    def _sizes_match(self, planes: Sequence[bytes | bytearray], size: Size, subsampling: int) -> bool:
        """Whether the planes have the sizes that the library assumes: it gets addresses only."""
        lengths = (
            self._library.tjPlaneSizeYUV(number, size[0], 0, size[1], subsampling)
            for number in range(len(planes))
        )
        return all(length == len(plane) for length, plane in zip(lengths, planes, strict=True))

    def _self_test(self) -> None:
        """Check that a small image survives encoding and decoding."""
        size, factors = (24, 16), (2, 2)
        content = [bytes(range(0, 192, 12)) * 24, bytes([90]) * 96, bytes([170]) * 96]
        planes = self.decode(self._compress(content, size, factors, 100), size, 1)
        decoded = [image.tobytes() for image in planes.images] if planes and planes.factors == factors else []
        pairs = [
            pair
            for before, after in zip(content, decoded, strict=False)
            for pair in zip(before, after, strict=True)
        ]
        if not pairs or max(abs(before - after) for before, after in pairs) > _MAX_DIFFERENCE:
            raise OSError(f"{LIBRARY} failed its self-test")
