"""Metadata of a TIFF, whose own directory is the main directory of its EXIF.

Pillow writes no XMP, no Exif and no GPS directory into a compressed TIFF. `with_metadata` puts the EXIF block
in front of the pixels, so that nothing in it moves, and writes one directory for the image and its metadata.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from imagejob_processor.notes import note
from imagejob_processor.pixels import exif
from imagejob_processor.pixels.exif import LONG, MAIN_IFD, SHORT, Block, CorruptExif, Entry

XMP, IPTC, PHOTOSHOP = 700, 33723, 34377
_STRIP_OFFSETS, _STRIP_BYTES = 273, 279
_POINTERS = (exif.EXIF_IFD, exif.GPS_IFD, exif.INTEROP_IFD)

_DESCRIPTIVE = (
    *range(269, 273), *range(282, 284), *(285, 296, 305, 306, 315, 316), *range(18246, 18250),
    *range(40091, 40096), 33432, 42033, 42035, 42036, 42037, 50341,
)  # fmt: skip
"""Tags of the main directory that describe the picture or how it was taken.

Names, camera, resolution, software, date, artist, host, rating, Windows' texts, copyright, lens, PrintIM.
"""
_LAYOUT = {
    *range(254, 269), 273, 274, *range(277, 282), 284, *range(288, 294), *range(297, 302), *range(317, 350),
    *range(512, 533), XMP, IPTC, PHOTOSHOP, 34675, 37724, *range(50706, 52600),
}  # fmt: skip
"""Tags that say how pixels are stored or which colours they are, XMP, IPTC, and those of raw files."""


def exif_of(data: bytes, most: int) -> bytes:
    """Return the EXIF block of a TIFF, or only its copyright if it has more than `most` bytes.

    Raises:
        CorruptExif: It cannot be read.
    """
    block = Block(data)
    wanted = {
        tag: [entry for entry in directory.entries if entry.tag not in _POINTERS]
        for tag, directory in block.directories.items()
    }
    wanted[MAIN_IFD] = block.main.find(*_DESCRIPTIVE)
    size = sum(entry.size for entries in wanted.values() for entry in entries)
    if size > most:
        note(f"EXIF of {size} bytes was reduced to the copyright: at most {most} bytes are kept")
        return exif.copyright_of(data)
    return exif.build(block.order, {tag: block.read(entries) for tag, entries in wanted.items()})


def value_of(data: bytes, tag: int) -> bytes:
    """Return the value of a tag of the main directory; empty if there is none."""
    try:
        block = Block(data)
    except CorruptExif:
        return b""
    return b"".join(entry.value or b"" for entry in block.read(block.main.find(tag)[:1]))


def with_metadata(data: bytes, block: bytes, xmp: bytes) -> bytes:
    """Return a TIFF that Pillow wrote without metadata, with an EXIF block and XMP; either may be empty.

    The samples have at most 8 bits, or the byte order of the block would apply to them.
    """
    picture = Block(data)
    metadata = Block(block) if block else None
    order = metadata.order if metadata else picture.order
    layout = picture.read(picture.main.entries)
    made = bytearray(block or exif.header(order, 0))
    strips = [_numbers(entry, picture.order) for tag in (_STRIP_OFFSETS, _STRIP_BYTES)
              for entry in layout if entry.tag == tag]  # fmt: skip
    offsets = []
    for start, length in zip(*strips, strict=True):
        made += bytes(len(made) % 2)
        offsets.append(len(made))
        made += data[start : start + length]
    made += bytes(len(made) % 2)
    entries = [_entry(entry.tag, _numbers(entry, picture.order), entry.type, order)
               for entry in layout if entry.tag != _STRIP_OFFSETS]  # fmt: skip
    entries.append(_entry(_STRIP_OFFSETS, offsets, LONG, order))
    if metadata:
        entries += [entry for entry in metadata.main.entries if entry.tag not in _LAYOUT]
    if xmp:
        entries.append(Entry(XMP, 1, len(xmp), b"", xmp))
    made[:8] = exif.header(order, len(made))
    return bytes(made) + exif.directory_bytes(entries, order, len(made))


def _numbers(entry: Entry, order: str) -> Sequence[int]:
    form = {SHORT: "H", LONG: "I"}[entry.type]
    return struct.unpack(f"{order}{entry.count}{form}", entry.value or b"")


def _entry(tag: int, numbers: Sequence[int], kind: int, order: str) -> Entry:
    form = {SHORT: "H", LONG: "I"}[kind]
    return Entry(tag, kind, len(numbers), b"", struct.pack(f"{order}{len(numbers)}{form}", *numbers))
