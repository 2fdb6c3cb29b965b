"""The tags of the first page of a TIFF: layouts that are decoded right are listed, others are refused.

A camera raw file is a TIFF too, whose first page is often a small preview of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.headers.header import Header, Samples

_NEW_SUBFILE, _SUBFILE, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 255, 258, 259, 262, 266
_MAKE, _SAMPLES, _PLANAR, _SUB_IFDS, _EXTRA, _FORMAT, _DNG_VERSION = 271, 277, 284, 330, 338, 339, 50706
_SUBSAMPLING = 530
_READ = (254, 255, 258, 259, 262, 266, 277, 284, 338, 339, 530)
_NOTED = (_MAKE, _SUB_IFDS, _DNG_VERSION)
"""It matters that they are there."""

_SIZES = {1: 1, 3: 2, 4: 4, 13: 4, 16: 8, 18: 8}
"""Bytes of the types of whole numbers."""

_MAX_TAGS = 4096
_MAX_VALUES = 16
_UNCOMPRESSED, _OLD_JPEG = 1, 6
_COMPRESSIONS = (1, 2, 3, 4, 5, _OLD_JPEG, 7, 8, 32771, 32773, 32946, 34925, 50000, 50001)
_COMPRESSION_NAMES = {
    32809: "ThunderScan",
    33003: "JPEG 2000",
    33004: "JPEG 2000",
    33005: "JPEG 2000",
    34661: "JBIG",
    34676: "SGILog",
    34677: "SGILog",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
_WHITE_IS_ZERO, _GREY, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_COLOURS = {
    _WHITE_IS_ZERO: "grayscale (0 is white)",
    _GREY: "grayscale",
    _RGB: "RGB",
    _PALETTE: "palette",
    4: "mask",
    _CMYK: "CMYK",
    _YCBCR: "YCbCr",
    _LAB: "CIE L*a*b*",
    9: "ICC L*a*b*",
    10: "ITU L*a*b*",
    32803: "camera raw (CFA)",
    32844: "LogL",
    32845: "LogLuv",
    34892: "camera raw (LinearRaw)",
}
_RAW_COLOURS = (32803, 34892)
_DEPTHS = {
    _WHITE_IS_ZERO: (1, 2, 4, 8, 12, 16),
    _GREY: (1, 2, 4, 8, 12, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _CMYK: (8, 16),
    _YCBCR: (8,),
    _LAB: (8,),
}
_COUNTS = {_RGB: 3, _CMYK: 4, _YCBCR: 3, _LAB: 3}
_FORMATS = {1: "", 2: "signed ", 3: "floating-point ", 5: "complex ", 6: "complex "}
_IGNORED, _PREMULTIPLIED, _ALPHA = 0, 1, 2
_ANY = (_IGNORED, _PREMULTIPLIED, _ALPHA)
_EXTRAS = {
    (_GREY, 8): (_ANY,),
    (_RGB, 8): (_ANY, (_IGNORED,), (_IGNORED,)),
    (_RGB, 16): (_ANY,),
    (_PALETTE, 8): ((_IGNORED, _ALPHA),),
    (_CMYK, 8): ((_IGNORED,), (_IGNORED,)),
}
"""What each sample after those of the colour may be."""

_ADVICE = "use 1-bit, 8-bit or 16-bit grayscale, RGB, CMYK or a palette"
_RAW_ADVICE = "use a JPEG or TIFF that was made from it"


def read_tiff(data: bytes) -> Header:
    """Check the layout of the first page, and return how to read its samples.

    Raises:
        ItemFailure: IMG_003, it is a raw file, a preview, or has a layout that is not supported. IMG_001, the
            tags are broken.
    """
    tags = _first_page(data)
    _check_raw(data, tags)
    colour, bits = _one(tags, _PHOTOMETRIC, _WHITE_IS_ZERO), tags.get(_BITS, (1,))
    if _one(tags, _COMPRESSION, _UNCOMPRESSED) == _OLD_JPEG:
        colour = _YCBCR
    _check_compression(tags)
    _check_layout(tags, colour, bits)
    white = 4095 if bits[0] == 12 else 65535
    return Header(data, Samples(white, 0) if colour == _WHITE_IS_ZERO else Samples(0, white))


def _check_raw(data: bytes, tags: Mapping[int, tuple[int, ...]]) -> None:
    preview = _one(tags, _NEW_SUBFILE, 0) & 1 or _one(tags, _SUBFILE, 0) == 2
    if _DNG_VERSION in tags:
        raise _refused("camera raw (DNG)", _RAW_ADVICE)
    if data[:4] == b"II*\0" and data[8:10] == b"CR":
        raise _refused("camera raw (CR2)", _RAW_ADVICE)
    if _one(tags, _PHOTOMETRIC, 0) in _RAW_COLOURS or (preview and _MAKE in tags and _SUB_IFDS in tags):
        raise _refused("camera raw", _RAW_ADVICE)
    if preview:
        text = "TIFF whose first page is a reduced copy of another image, as in camera raw files,"
        raise _refused(text, "put the image itself first")
    if _one(tags, _NEW_SUBFILE, 0) & 4:
        raise _refused("TIFF whose first page is a mask", "put the image itself first")


def _check_compression(tags: Mapping[int, tuple[int, ...]]) -> None:
    compression = _one(tags, _COMPRESSION, _UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        name = _COMPRESSION_NAMES.get(compression, f"number {compression}")
        raise _refused(f"TIFF with compression {name}", "use LZW, Deflate or JPEG")


def _check_layout(tags: Mapping[int, tuple[int, ...]], colour: int, bits: tuple[int, ...]) -> None:
    """Check that the samples are among those that are decoded right."""
    extra, formats = tags.get(_EXTRA, ()), tags.get(_FORMAT, (1,))
    count, colours = _one(tags, _SAMPLES, len(bits)), _COUNTS.get(colour, 1)
    if colour == _RGB and count == 4 and not extra:
        extra = (_ALPHA,)
    separate = count > 1 and _one(tags, _PLANAR, 1) == 2
    compressed = _one(tags, _COMPRESSION, _UNCOMPRESSED) != _UNCOMPRESSED
    right = (
        set(formats) == {1}
        and len(set(bits)) == 1
        and bits[0] in _DEPTHS.get(colour, ())
        and count == colours + len(extra)
        and _extra_is_right(colour, bits[0], extra)
        and (not separate or _planes_are_right(colour, bits[0], extra, compressed=compressed))
        and (colour != _YCBCR or compressed or tags.get(_SUBSAMPLING) == (1, 1))
        and (_one(tags, _FILL_ORDER, 1) == 1 or (bits[0] <= 8 and not extra))
    )
    if not right:
        kind = _FORMATS.get(formats[0], "undefined ") if len(set(formats)) == 1 else "mixed "
        name = f"TIFF with {'/'.join(map(str, dict.fromkeys(bits)))}-bit {kind}{_colour_name(colour)}"
        alpha = " with alpha" if {_PREMULTIPLIED, _ALPHA} & set(extra) else ""
        more = f" and {count} samples per pixel" if count != colours and colour in _DEPTHS else ""
        raise _refused(f"{name}{alpha}{more}{' in separate planes' if separate else ''}", _ADVICE)


def _extra_is_right(colour: int, bits: int, extra: tuple[int, ...]) -> bool:
    """Whether alpha and samples that are to be ignored are understood."""
    if not extra:
        return True
    alpha, ignored = extra[0], extra[1:]
    if any(ignored) or alpha not in (_IGNORED, _PREMULTIPLIED, _ALPHA):
        return False
    allowed = _EXTRAS.get((colour, bits), ())
    return len(extra) <= len(allowed) and alpha in allowed[0]


def _planes_are_right(colour: int, bits: int, extra: tuple[int, ...], *, compressed: bool) -> bool:
    """Whether samples in planes of their own are understood."""
    return colour in (_RGB, _CMYK) and bits == 8 and len(extra) <= int(compressed)


def _colour_name(colour: int) -> str:
    return _COLOURS.get(colour, f"colour space {colour}")


def _refused(what: str, advice: str) -> ItemFailure:
    return ItemFailure(ItemCode.UNSUPPORTED_FORMAT, f"{what} is not supported; {advice}")


def _one(tags: Mapping[int, tuple[int, ...]], tag: int, default: int) -> int:
    return tags.get(tag, (default,))[0]


def _first_page(data: bytes) -> dict[int, tuple[int, ...]]:
    """Read the tags that matter; the values of those that are not whole numbers are left out.

    Raises:
        ItemFailure: IMG_001.
    """
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"
    big = 43 in data[2:4]
    word, entry, counter = (8, 20, 8) if big else (4, 12, 2)

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order)

    start = number(8 if big else 4, word)
    count = number(start, counter)
    if not 0 < count <= _MAX_TAGS or start + counter + count * entry > len(data):
        raise _corrupt("its first page has no tags")
    tags: dict[int, tuple[int, ...]] = {}
    for at in range(start + counter, start + counter + count * entry, entry):
        tag, size = number(at, 2), _SIZES.get(number(at + 2, 2), 0)
        length = size * min(number(at + 4, word), _MAX_VALUES)
        inline = size * number(at + 4, word) <= word
        place = at + 4 + word if inline else number(at + 4 + word, word)
        if not number(at + 4, word):
            continue
        if tag in _READ and (not length or place + length > len(data)):
            raise _corrupt(f"its tag {tag} has no number")
        if tag in _READ or tag in _NOTED:
            tags[tag] = tuple(number(place + each, size) for each in range(0, length, size or 1))
    return tags


def _corrupt(reason: str) -> ItemFailure:
    return ItemFailure(ItemCode.UNDECODABLE, f"the TIFF file is truncated or corrupt: {reason}")
