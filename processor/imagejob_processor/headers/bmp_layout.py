"""The layout of a BMP: layouts that the decoder cannot read, or reads without their alpha, are refused."""

from __future__ import annotations

import struct

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure

_INFO_SIZE = 40
_OS2_SIZE = 64
_WITH_ALPHA_MASK = 56
_BIT_FIELDS = 3
_COMPRESSIONS = (0, 1, 2, _BIT_FIELDS)
"""None, RLE of 8 and 4 bits, and bit fields."""
_BITS = (1, 4, 8, 16, 24, 32)
_BYTES = (0xFF0000, 0xFF00, 0xFF)
_MASKS = {
    16: {(0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0)},
    24: {(*_BYTES, 0)},
    32: {
        (0, 0, 0, 0),
        (*_BYTES, 0),
        (*_BYTES, 0xFF000000),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
    },
}
"""The masks of red, green, blue and alpha that Pillow decodes."""


def check_bmp(data: bytes) -> None:
    """Check what the header says; a header that is cut off is left to the decoder.

    Raises:
        ItemFailure: IMG_003.
    """
    (size,) = struct.unpack_from("<I", data.ljust(18, b"\0"), 14)
    if size < _INFO_SIZE or len(data) < 14 + _INFO_SIZE:
        return
    bits, compression = struct.unpack_from("<HI", data, 28)
    if bits not in _BITS:
        raise _refused(f"BMP with {bits} bits per pixel")
    if compression not in _COMPRESSIONS or (size == _OS2_SIZE and compression == _BIT_FIELDS):
        raise _refused(f"BMP with compression {compression}")
    if compression == _BIT_FIELDS and len(data) >= 70:
        masks = struct.unpack_from("<4I", data, 54)
        if size < _WITH_ALPHA_MASK:
            masks = (*masks[:3], 0)
        if masks not in _MASKS.get(bits, ()):
            named = ", ".join(f"{mask:X}" for mask in masks)
            raise _refused(f"BMP with {bits}-bit pixels and the masks {named} (red, green, blue, alpha)")


def _refused(what: str) -> ItemFailure:
    text = f"{what} is not supported; save it as PNG"
    return ItemFailure(ItemCode.UNSUPPORTED_FORMAT, text)
