"""Reads and writes EXIF and XMP in image files, without Pillow and without the processor's code."""

import struct
import zlib
from dataclasses import dataclass

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 129: 1}
EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True)
class Value:
    """A value as it is stored; `at` is its offset, 0 if it is in the entry."""

    type: int
    data: bytes
    at: int = 0


def read_exif(block: bytes) -> dict[tuple[int, int], Value]:
    """All values by the tag that points to their directory (0 main, 1 thumbnail), and their own tag."""
    order = {b"II*\0": "<", b"MM\0*": ">"}[block[:4]]
    found: dict[tuple[int, int], Value] = {}

    def directory(name: int, start: int) -> int:
        (count,) = struct.unpack_from(order + "H", block, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(order + "HHI", block, entry)
            size, at = number * SIZES[kind], entry + 8
            if size > 4:
                (at,) = struct.unpack_from(order + "I", block, at)
            data = block[at : at + size]
            assert len(data) == size
            assert (name, tag) not in found
            found[name, tag] = Value(kind, data, at if size > 4 else 0)
            if tag in (EXIF, GPS, INTEROP):
                del found[name, tag]
                directory(tag, struct.unpack(order + "I", data)[0])
        return struct.unpack_from(order + "I", block, start + 2 + 12 * count)[0]

    after = directory(0, struct.unpack_from(order + "I", block, 4)[0])
    if after:
        directory(1, after)
    return found


def write_exif(
    order: str,
    directories: dict[int, dict[int, tuple[int, bytes]]],
    thumbnail: bytes = b"",
    *,
    first: bool = False,
    big: bool = False,
) -> bytes:
    """An EXIF block: for each directory its values by tag, as type and bytes; gaps between all parts.

    The thumbnail and its directory are last, or first.
    """
    long, entry = (order + "Q", order + "HHQ") if big else (order + "I", order + "HHI")
    inline = struct.calcsize(long)
    head = {"<": b"II+\0\x08\0\0\0", ">": b"MM\0+\0\x08\0\0"} if big else {"<": b"II*\0", ">": b"MM\0*"}
    block = bytearray(head[order] + bytes(inline))

    def directory(values: dict[int, tuple[int, bytes]]) -> int:
        fields = {}
        for tag, (_, data) in values.items():
            block.extend(b"gap!"[: 2 + len(block) % 2])
            fields[tag] = struct.pack(long, len(block)) if len(data) > inline else data.ljust(inline, b"\0")
            block.extend(data if len(data) > inline else b"")
        block.extend(bytes(len(block) % 2))
        start = len(block)
        block.extend(struct.pack(order + ("Q" if big else "H"), len(values)))
        for tag, (kind, data) in sorted(values.items()):
            block.extend(struct.pack(entry, tag, kind, len(data) // SIZES[kind]) + fields[tag])
        block.extend(bytes(inline))
        return start

    def reduced() -> int:
        numbers = {0x0201: len(block), 0x0202: len(thumbnail)}
        block.extend(thumbnail + bytes(len(thumbnail) % 2))
        return directory({tag: (4, struct.pack(order + "I", number)) for tag, number in numbers.items()})

    after = reduced() if thumbnail and first else 0
    found = {name: dict(values) for name, values in directories.items()}
    for name, parent in ((INTEROP, EXIF), (EXIF, 0), (GPS, 0)):
        if name in found:
            found[parent][name] = (4, struct.pack(order + "I", directory(found[name])))
    struct.pack_into(long, block, len(head[order]), directory(found[0]))
    end = len(block) - inline
    after = reduced() if thumbnail and not first else after
    struct.pack_into(long, block, end, after)
    return bytes(block)


def metadata_of(data: bytes) -> tuple[bytes, bytes]:
    """The EXIF block and the XMP packet of a file, empty if there is none; a TIFF is a block itself."""
    if data.startswith(b"\xff\xd8"):
        return _jpeg(data)
    if data.startswith(b"\x89PNG"):
        return _png(data)
    if data.startswith(b"RIFF"):
        return _webp(data)
    if data[4:8] == b"ftyp":
        return _avif(data)
    assert data[:4] in (b"II*\0", b"MM\0*")
    packet = read_exif(data).get((0, 700))
    return data, packet.data if packet else b""


def _jpeg(data: bytes) -> tuple[bytes, bytes]:
    found, at = {b"Exif\0\0": b"", XMP_HEADER: b""}, 2
    while data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        content = data[at + 4 : at + 2 + length]
        for header in found:
            if data[at + 1] == 0xE1 and content.startswith(header):
                assert not found[header]
                found[header] = content.removeprefix(header)
        at += 2 + length
    return found[b"Exif\0\0"], found[XMP_HEADER]


def _png(data: bytes) -> tuple[bytes, bytes]:
    exif = xmp = b""
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", data, at + 8 + length)[0] == zlib.crc32(kind + content)
        if kind == b"eXIf":
            exif = content
        if kind == b"iTXt" and content.startswith(b"XML:com.adobe.xmp\0\0\0\0\0"):
            xmp = content[22:]
        at += 12 + length
    return exif, xmp


def _webp(data: bytes) -> tuple[bytes, bytes]:
    found, at = {}, 12
    while at < len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        found[kind] = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    return found.get(b"EXIF", b""), found.get(b"XMP ", b"")


def _boxes(data: bytes, start: int, end: int) -> dict[bytes, tuple[int, int]]:
    found = {}
    while start < end:
        length, kind = struct.unpack_from(">I4s", data, start)
        found[kind] = (start + 8, start + length)
        start += length
    return found


def _avif(data: bytes) -> tuple[bytes, bytes]:
    meta = _boxes(data, 0, len(data))[b"meta"]
    boxes = _boxes(data, meta[0] + 4, meta[1])
    kinds = {}
    at, end = boxes[b"iinf"][0] + 6, boxes[b"iinf"][1]
    while at < end:
        (length,) = struct.unpack_from(">I", data, at)
        number, _, kind = struct.unpack_from(">HH4s", data, at + 12)
        kinds[number] = kind
        at += length
    at = boxes[b"iloc"][0]
    assert data[at] == 0, "version 0 of iloc"
    sizes = data[at + 4 : at + 6]
    assert sizes == b"\x44\x00", "offsets and lengths of 4 bytes"
    (count,) = struct.unpack_from(">H", data, at + 6)
    at += 8
    content = {}
    for _ in range(count):
        number, _, extents = struct.unpack_from(">HHH", data, at)
        assert extents == 1
        offset, length = struct.unpack_from(">II", data, at + 6)
        content[kinds[number]] = data[offset : offset + length]
        at += 14
    exif = content.get(b"Exif", bytes(4))
    return exif[4 + struct.unpack_from(">I", exif)[0] :], content.get(b"mime", b"")


def with_chunk(data: bytes, kind: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk, after the pixels."""
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return data[:-12] + chunk + data[-12:]


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """A JPEG with one more segment, at its start."""
    return data[:2] + b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]


def tiff_file(
    order: str, directories: dict[int, dict[int, tuple[int, bytes]]], *, big: bool = False
) -> bytes:
    """A grey TIFF or BigTIFF of 24x16 pixels whose main directory also has metadata."""
    pixels = bytes(range(192)) * 2
    layout = {256: 24, 257: 16, 258: 8, 259: 1, 262: 1, 273: 0xFEDCBA, 277: 1, 278: 16, 279: len(pixels)}
    main = {tag: (4, struct.pack(order + "I", number)) for tag, number in layout.items()}
    block = write_exif(order, {**directories, 0: {**directories.get(0, {}), **main}}, big=big)
    return block.replace(main[273][1], struct.pack(order + "I", len(block))) + pixels
