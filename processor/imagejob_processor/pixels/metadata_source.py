"""Where the metadata of a source is: its bytes, as they are in the file."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from imagejob_processor.notes import note
from imagejob_processor.pixels import tiff_metadata

_EXIF_PREFIX = re.compile(rb"^(?:Exif\0\0)+")
_EXTENDED_XMP = b"http://ns.adobe.com/xmp/extension/\0"
_IPTC_RESOURCE = 0x0404
_PNG_XMP, _PROFILE, _PROFILES = (
    b"XML:com.adobe.xmp",
    b"Raw profile type ",
    (b"exif", b"APP1", b"xmp", b"iptc"),
)
_PNG_KEYWORDS = (_PNG_XMP, *(_PROFILE + name for name in _PROFILES))
_GIF_XMP_START, _GIF_XMP_END = b"!\xff\x0bXMP DataXMP", b"\x01\xff\xfe\xfd\xfc"


@dataclass(frozen=True)
class FoundMetadata:
    """What a source has: EXIF block, XMP packet, and the sizes of parts that no output keeps."""

    exif: bytes = b""
    xmp: bytes = b""
    iptc: int = 0
    extended_xmp: int = 0


def find_metadata(data: bytes, image: Image.Image, most: int) -> FoundMetadata:
    """Find the metadata of an image that is not decoded yet; compressed parts up to `most` bytes.

    Raises:
        Exception: The metadata cannot be read.
    """
    match image.format:
        case "PNG":
            return _in_png(data, most)
        case "TIFF":
            return FoundMetadata(
                tiff_metadata.exif_of(data, most),
                tiff_metadata.value_of(data, tiff_metadata.XMP),
                len(tiff_metadata.value_of(data, tiff_metadata.IPTC)),
            )
        case "GIF":
            return FoundMetadata(xmp=_between(data, _GIF_XMP_START, _GIF_XMP_END))
        case "AVIF":
            return _in_avif(data, image)
    exif, xmp = (image.info.get(name) or b"" for name in ("exif", "xmp"))
    segments = [content for _, content in getattr(image, "applist", ())]
    return FoundMetadata(
        _EXIF_PREFIX.sub(b"", exif),
        xmp,
        len(image.info.get("photoshop", {}).get(_IPTC_RESOURCE, b"")),
        sum(len(content) for content in segments if content.startswith(_EXTENDED_XMP)),
    )


def _in_avif(data: bytes, image: Image.Image) -> FoundMetadata:
    """Ask the decoder: `image.info` has EXIF that Pillow has written again, or none if it could not."""
    from PIL import _avif

    try:
        *_, exif, _, xmp = _avif.AvifDecoder(data, "auto", 1).get_info()
    except ValueError:
        note("EXIF was dropped: it is corrupt")
        exif, xmp = b"", image.info.get("xmp")
    return FoundMetadata(_EXIF_PREFIX.sub(b"", exif or b""), xmp or b"")


def _between(data: bytes, start: bytes, end: bytes) -> bytes:
    first = data.find(start)
    last = data.find(end, first)
    return data[first + len(start) : last] if 0 <= first < last else b""


def _in_png(data: bytes, most: int) -> FoundMetadata:
    """Read eXIf, the XMP in an iTXt, and the profiles that ImageMagick and older programs write as text."""
    found: dict[bytes, bytes] = {}
    for kind, content in _png_chunks(data):
        if kind == b"eXIf":
            found.setdefault(b"eXIf", content)
            continue
        keyword, _, rest = content.partition(b"\0")
        if keyword not in _PNG_KEYWORDS:
            continue
        try:
            text = _png_text(kind, rest, most)
            found.setdefault(keyword, text if keyword == _PNG_XMP else _profile(text))
        except (IndexError, ValueError, zlib.error):
            note(f"a text chunk of {len(content)} bytes with metadata was dropped: it is corrupt")
    exif, app1, xmp, iptc = (found.get(_PROFILE + name, b"") for name in _PROFILES)
    exif = found.get(b"eXIf") or exif or (app1 if app1.startswith(b"Exif\0\0") else b"")
    return FoundMetadata(_EXIF_PREFIX.sub(b"", exif), found.get(_PNG_XMP) or xmp, len(iptc))


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks with metadata, before and after the pixels."""
    at = 8
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IEND":
            return
        if kind in (b"eXIf", b"iTXt", b"zTXt", b"tEXt"):
            yield kind, data[at + 8 : at + 8 + length]
        at += 12 + length


def _png_text(kind: bytes, rest: bytes, most: int) -> bytes:
    """Return the text after the keyword of a chunk."""
    compressed = kind == b"zTXt" or (kind == b"iTXt" and rest[:1] == b"\1")
    if kind == b"iTXt":
        rest = rest[2:].split(b"\0", 2)[2]
    elif compressed:
        rest = rest[1:]
    return zlib.decompressobj().decompress(rest, 2 * most + 4096) if compressed else rest


def _profile(text: bytes) -> bytes:
    """Return the bytes of a profile in hexadecimal, after its name and its length."""
    return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode())
