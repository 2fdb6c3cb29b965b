"""EXIF blocks, which are TIFF directories: their bytes stay as they are, values are not decoded.

    header -> main directory -> directory of the thumbnail
               |-> GPS directory
               |-> Exif directory -> Interoperability directory

A value of at most four bytes is in its entry; for others, the entry has their offset in the block.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MAIN_IFD, EXIF_IFD, GPS_IFD, INTEROP_IFD = 0, 0x8769, 0x8825, 0xA005
ORIENTATION = 0x0112

SHORT, LONG = 3, 4
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
"""Bytes of a value by its type; type 129, UTF-8, is new in EXIF 3.0."""
_INTEGERS = {SHORT: "H", LONG: "I", 13: "I", 16: "Q", 18: "Q"}
_HEADERS = {"<": b"II*\0", ">": b"MM\0*"}
_BIG_HEADERS = {"<": b"II+\0\x08\0\0\0", ">": b"MM\0+\0\x08\0\0"}

_COPYRIGHT = {MAIN_IFD: (0x013B, 0x8298, 0x9C9D), EXIF_IFD: (0xA437,)}
"""Artist, Copyright, the author in Windows, and EXIF 3.0's photographer."""
_WIDTHS, _HEIGHTS = (0x0100, 0xA002), (0x0101, 0xA003)
_COLOR_SPACE, _INTEROP_INDEX = 0xA001, 0x0001
_ADOBE_RGB, _SRGB = b"R03\0", b"R98\0"
_THUMBNAIL_PARTS = ((0x0201, 0x0202), (0x0111, 0x0117))
"""Tags with the offset and the length of a thumbnail: of a JPEG, and of pixels."""


_PADDING = 8
"""Fewer bytes after a thumbnail at the end of a block are padding."""


class CorruptExif(ValueError):
    """The header or the main directory cannot be read."""


@dataclass(frozen=True)
class Entry:
    """One entry of a directory.

    Attributes:
        tag: What it is.
        type: The type of its values.
        count: The number of its values.
        field: Its value or the offset of it.
        value: Its value, if it is to be written elsewhere; None: `field` is written as it is.
    """

    tag: int
    type: int
    count: int
    field: bytes
    value: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of the value; 0 if the type is unknown."""
        return self.count * _SIZES.get(self.type, 0)


@dataclass(frozen=True)
class Directory:
    """A directory: where it starts and ends, and the offset of the next one, 0 if there is none."""

    start: int
    end: int
    entries: tuple[Entry, ...]
    next: int

    def find(self, *tags: int) -> list[Entry]:
        """Return the entries with these tags."""
        return [entry for entry in self.entries if entry.tag in tags]


class Block:
    """Reads a TIFF or BigTIFF.

    Attributes:
        order: "<" or ">".
        main: The first directory.
        directories: By the tag that points to them, all that belong to the image itself.
    """

    def __init__(self, data: bytes | bytearray) -> None:
        """Read the directories; raises CorruptExif."""
        self._data = bytes(data)
        big = self._data[:8] in _BIG_HEADERS.values()
        headers = _BIG_HEADERS if big else _HEADERS
        found = [order for order, header in headers.items() if self._data.startswith(header)]
        if not found:
            raise CorruptExif("it has no TIFF header")
        self.order = found[0]
        self._offset = struct.Struct(self.order + ("Q" if big else "I"))
        self._count = struct.Struct(self.order + ("Q" if big else "H"))
        self._entry = struct.Struct(self.order + ("HHQ8s" if big else "HHI4s"))
        try:
            (first,) = self._offset.unpack_from(self._data, 8 if big else 4)
        except struct.error:
            raise CorruptExif("its header is incomplete") from None
        self.main = self.directory(first)
        self.directories = {MAIN_IFD: self.main}
        for tag, parent in ((EXIF_IFD, MAIN_IFD), (GPS_IFD, MAIN_IFD), (INTEROP_IFD, EXIF_IFD)):
            for entry in self.directories[parent].find(tag) if parent in self.directories else ():
                try:
                    self.directories[tag] = self.directory(self.number(entry))
                except CorruptExif:
                    continue

    def directory(self, start: int) -> Directory:
        """Read a directory; raises CorruptExif if it is not all there."""
        try:
            (count,) = self._count.unpack_from(self._data, start)
        except struct.error:
            raise CorruptExif(f"there is no directory at {start}") from None
        first, last = start + self._count.size, start + self._count.size + count * self._entry.size
        if count > 0xFFFF or last > len(self._data):
            raise CorruptExif(f"the directory at {start} is incomplete")
        entries = tuple(Entry(*fields) for fields in self._entry.iter_unpack(self._data[first:last]))
        after = self._data[last : last + self._offset.size]
        following = int.from_bytes(after, "little" if self.order == "<" else "big")
        return Directory(start, last + len(after), entries, following)

    def number(self, entry: Entry) -> int:
        """Return the value of an entry that is one integer; 0 if it is not."""
        form = _INTEGERS.get(entry.type)
        if form is None or entry.count != 1 or struct.calcsize("=" + form) > len(entry.field):
            return 0
        return int(struct.unpack_from(self.order + form, entry.field)[0])

    def span(self, entry: Entry) -> tuple[int, int]:
        """Return where the value is; (0, 0) if it is in the entry."""
        if entry.size <= len(entry.field):
            return (0, 0)
        (offset,) = self._offset.unpack(entry.field)
        return (offset, offset + entry.size)

    def read(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return the entries with their values, without those that cannot be read."""
        found = []
        for entry in entries:
            start, end = self.span(entry)
            value = self._data[start:end] if end else entry.field[: entry.size]
            if 0 < entry.size == len(value):
                found.append(dataclasses.replace(entry, value=value))
        return found


def header(order: str, first: int) -> bytes:
    """Return the header of a block whose main directory is at `first`."""
    return _HEADERS[order] + struct.pack(order + "I", first)


def directory_bytes(entries: Sequence[Entry], order: str, at: int) -> bytes:
    """Return a directory, and the values of its entries after it, to be written at the offset `at`."""
    fields, values = [], bytearray()
    values_at = at + 2 + 12 * len(entries) + 4
    for entry in sorted(entries, key=lambda each: each.tag):
        field = entry.field if entry.value is None else entry.value.ljust(4, b"\0")
        if len(field) > 4:
            values += bytes(len(values) % 2)
            field, values = struct.pack(order + "I", values_at + len(values)), values + field
        fields.append(dataclasses.replace(entry, field=field))
    return struct.pack(order + "H", len(fields)) + _packed(fields, order) + bytes(4) + values


def _packed(entries: Sequence[Entry], order: str) -> bytes:
    return b"".join(
        struct.pack(order + "HHI4s", entry.tag, entry.type, entry.count, entry.field) for entry in entries
    )


def build(order: str, directories: Mapping[int, Sequence[Entry]]) -> bytes:
    """Return a block with directories of entries that were read; empty if there are none."""
    entries = {tag: list(found) for tag, found in directories.items()}
    if not any(entries.values()):
        return b""
    block = bytearray(header(order, 0))
    for tag, parent in ((INTEROP_IFD, EXIF_IFD), (EXIF_IFD, MAIN_IFD), (GPS_IFD, MAIN_IFD)):
        if entries.get(tag):
            pointer = Entry(tag, LONG, 1, struct.pack(order + "I", len(block)))
            entries.setdefault(parent, []).append(pointer)
            block += directory_bytes(entries[tag], order, len(block))
            block += bytes(len(block) % 2)
    block[:8] = header(order, len(block))
    return bytes(block) + directory_bytes(entries[MAIN_IFD], order, len(block))


def copyright_of(data: bytes) -> bytes:
    """Return a block of the copyright alone; empty if there is none.

    Raises:
        CorruptExif: `data` cannot be read.
    """
    block, found = Block(data), {}
    for tag, tags in _COPYRIGHT.items():
        entries = block.directories[tag].find(*tags) if tag in block.directories else []
        found[tag] = block.read(list({entry.tag: entry for entry in reversed(entries)}.values()))
    return build(block.order, found)


def upright(data: bytes) -> bytes:
    """Return a block for pixels that are upright and sRGB: orientation and thumbnail are removed.

    Nothing else changes or moves.

    Raises:
        CorruptExif: `data` cannot be read.
    """
    block, made = Block(data), bytearray(data)
    for directory in block.directories.values():
        entries = [_in_srgb(entry, block.order) for entry in directory.entries if entry.tag != ORIENTATION]
        after = data[directory.start + 2 + 12 * len(directory.entries) : directory.end]
        written = struct.pack(block.order + "H", len(entries)) + _packed(entries, block.order)
        written += bytes(len(after)) if directory is block.main else after
        made[directory.start : directory.end] = written.ljust(directory.end - directory.start, b"\0")
    _erase_thumbnail(block, made)
    if any(directory.find(ORIENTATION) for directory in Block(made).directories.values()):
        raise CorruptExif("its directories overlap")
    return bytes(made)


def _in_srgb(entry: Entry, order: str) -> Entry:
    if entry.tag == _COLOR_SPACE and entry.type == SHORT:
        return dataclasses.replace(entry, field=struct.pack(order + "HH", 1, 0))
    if entry.tag == _INTEROP_INDEX and entry.field == _ADOBE_RGB:
        return dataclasses.replace(entry, field=_SRGB)
    return entry


def _erase_thumbnail(block: Block, made: bytearray) -> None:
    """Erase the thumbnail, which may show what was cropped, unless its bytes are used elsewhere."""
    if not block.main.next:
        return
    try:
        thumbnail = block.directory(block.main.next)
    except CorruptExif:
        return
    kept = block.directories.values()
    used = [(each.start, each.end) for each in kept]
    used += [block.span(entry) for each in kept for entry in each.entries]
    parts = [(thumbnail.start, thumbnail.end)]
    for tags in _THUMBNAIL_PARTS:
        start, length = (sum(map(block.number, thumbnail.find(tag)[:1])) for tag in tags)
        parts.append((start, start + length))
    for start, end in sorted(parts, reverse=True):
        if 8 <= start < end <= len(made) and all(end <= first or last <= start for first, last in used):
            if len(made) - end < _PADDING and all(last <= start for _, last in used):
                del made[start:]
            else:
                made[start:end] = bytes(end - start)


def sized(data: bytes, size: tuple[int, int]) -> bytes:
    """Return the block with the size of the output wherever it has a size in pixels."""
    block, made = Block(data), bytearray(data)
    numbers = {**dict.fromkeys(_WIDTHS, size[0]), **dict.fromkeys(_HEIGHTS, size[1])}
    for directory in block.directories.values():
        for index, entry in enumerate(directory.entries):
            if entry.tag in numbers and entry.type in (SHORT, LONG) and entry.count == 1:
                field = struct.pack(block.order + "I", numbers[entry.tag])
                written = dataclasses.replace(entry, type=LONG, field=field)
                at = directory.start + 2 + 12 * index
                made[at : at + 12] = _packed([written], block.order)
    return bytes(made)
