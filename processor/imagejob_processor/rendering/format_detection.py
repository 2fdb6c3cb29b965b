"""Format detection by the first bytes: file names and content types play no role."""

from __future__ import annotations

import re

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"\xff\x0a", "JXL"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "JXL"),
    (b"BM", "BMP"),
)
_REFUSED_MAGIC = (
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"qoif", "QOI"),
    (b"SIMPLE  =", "FITS"),
    (b"gimp xcf", "XCF"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"BPG\xfb", "BPG"),
    (b"\x1aE\xdf\xa3", "WebM or Matroska video"),
    (b"FUJIFILMCCD-RAW", "Fujifilm RAF (camera raw)"),
    (b"IIRO", "Olympus ORF (camera raw)"),
    (b"IIRS", "Olympus ORF (camera raw)"),
    (b"MMOR", "Olympus ORF (camera raw)"),
    (b"IIU\x00", "Panasonic RW2 (camera raw)"),
    (b"II\x1a\x00\x00\x00HEAPCCDR", "Canon CRW (camera raw)"),
    (b"FOVb", "Sigma X3F (camera raw)"),
    (b"\x00MRM", "Minolta MRW (camera raw)"),
    (b"ARRI", "ARRI raw (camera raw)"),
)
_SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC, JPEG XL or BMP"
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = tuple(b"heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1".split())
_PNM = re.compile(rb"P[1-7f][\s#]")
_SVG = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!--|<!DOCTYPE svg|<svg)", re.IGNORECASE)


def detect_format(data: bytes) -> str:
    """Detect a supported format by the first bytes.

    Raises:
        ItemFailure: IMG_003 for other known formats, IMG_001 for anything else.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and any(brand in _brands(data) for brand in _AVIF_BRANDS):
        return "AVIF"
    if data[4:8] == b"ftyp" and any(brand in _HEIF_BRANDS for brand in _brands(data)):
        return "HEIF"
    refused = _refused_format(data)
    if refused is None:
        raise ItemFailure(
            ItemCode.UNDECODABLE,
            f"the file ({len(data)} bytes) is not an image in a known format; use {_SUPPORTED}",
        )
    raise ItemFailure(
        ItemCode.UNSUPPORTED_FORMAT,
        f"{refused} is not supported; use {_SUPPORTED}",
    )


def _brands(data: bytes) -> list[bytes]:
    """List the brands of an ISO media file: the major one and the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 1024)
    return [data[8:12], *(data[start : start + 4] for start in range(16, end, 4))]


def _refused_format(data: bytes) -> str | None:
    for magic, name in _REFUSED_MAGIC:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp":
        return "Canon CR3 (camera raw)" if data[8:11] == b"crx" else "MP4 or QuickTime video"
    if _PNM.match(data):
        return "PNM"
    if _SVG.match(data[:512]):
        return "SVG or XML"
    return None
