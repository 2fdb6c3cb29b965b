"""EXIF and XMP come through byte for byte: read again without Pillow and without the processor's code."""

import io
import struct
import warnings

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from imagejob_contract.output import FORMATS, Format, Metadata, Output
from imagejob_contract.recipe import Rendition
from imagejob_processor.pixels import exif as exif_module
from unit.processor.images import file, make, photo, resized
from unit.processor.metadata_files import (
    EXIF,
    GPS,
    INTEROP,
    SIZES,
    Value,
    metadata_of,
    read_exif,
    with_chunk,
    write_exif,
)

KEEPING = [form for form in FORMATS if form is not Format.GIF]
ORIENTATION, ARTIST, COPYRIGHT, COLOR_SPACE, WIDTH, HEIGHT = 0x0112, 0x013B, 0x8298, 0xA001, 0xA002, 0xA003
MAKER_NOTE = 0x927C
LAYOUT_OF_TIFF = {*range(254, 269), 273, 274, *range(277, 282), 284, 317, 338, 339, 700}
SOURCES = ("JPEG", "PNG", "WEBP", "AVIF")
TEXTS = ("© 2024 Jürgen Müller", "張 偉", "محمد", "Ada", "\N{CAMERA}")

MAIN_TAGS = st.sampled_from([0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x9C9B, 0x9C9D, 0x4746, 0xC4A5, 0xFDE8])
EXIF_TAGS = st.sampled_from([0x829A, 0x9003, MAKER_NOTE, 0x9286, 0xA430, 0xA434, 0xA437, 0xEA1C])
NUMBERS = st.integers(1, 8)


@st.composite
def values(draw: st.DrawFn) -> tuple[int, bytes]:
    kind = draw(st.sampled_from(sorted(SIZES)))
    if kind in (2, 129) and draw(st.booleans()):
        code = draw(st.sampled_from(["utf-8", "utf-16", "shift-jis", "latin-1"]))
        return kind, draw(st.sampled_from(TEXTS)).encode(code, "replace") + draw(
            st.sampled_from([b"\0", b""])
        )
    size = SIZES[kind] * draw(st.integers(1, 20))
    return kind, draw(st.binary(min_size=size, max_size=size))


@st.composite
def blocks(draw: st.DrawFn) -> bytes:
    order = draw(st.sampled_from("<>"))
    short = lambda number: (3, struct.pack(order + "H", number))  # noqa: E731
    main = draw(st.dictionaries(MAIN_TAGS | st.sampled_from([ARTIST, COPYRIGHT]), values(), max_size=5))
    main[ORIENTATION] = draw(st.sampled_from([short(6), short(1), (4, struct.pack(order + "I", 8))]))
    shot = draw(st.dictionaries(EXIF_TAGS, values(), max_size=5))
    shot |= draw(st.sampled_from([{}, {COLOR_SPACE: short(0xFFFF), WIDTH: short(7), HEIGHT: short(9)}]))
    directories = {0: main}
    if shot:
        directories[EXIF] = shot
        if draw(st.booleans()):
            directories[INTEROP] = {1: (2, b"R03\0"), 2: (7, b"0100")}
    if place := draw(st.dictionaries(st.integers(0, 31), values(), max_size=3)):
        directories[GPS] = place
    thumbnail = draw(st.sampled_from([b"", b"\xff\xd8THUMBNAIL\xff\xd9"]))
    return write_exif(order, directories, thumbnail, first=draw(st.booleans()))


def source(form: str, block: bytes, xmp: bytes = b"") -> bytes:
    """A file that holds a block and a packet; Pillow only has to write these bytes."""
    image, prefix = photo(24, 16), b"Exif\0\0" if form == "JPEG" else b""
    # Pillow would take the orientation out for AVIF, and write the rest again.
    holder = write_exif("<", {0: {0x010E: (2, b"x")}}).ljust(len(block), b"\0") if form == "AVIF" else block
    data = file(image, form, exif=prefix + holder, **({"xmp": xmp} if xmp and form != "PNG" else {}))
    if xmp and form == "PNG":
        data = with_chunk(data, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    data = data.replace(holder, block)
    assert metadata_of(data) == (block, xmp)
    return data


def outputs(
    data: bytes, metadata: Metadata, forms: list[Format] = KEEPING
) -> dict[Format, tuple[bytes, bytes]]:
    """The EXIF block and the XMP of the outputs, each of 12x8 pixels."""
    ways = tuple(
        Rendition(form.lower(), Output(form, metadata=metadata), (resized(12, 12),)) for form in forms
    )
    made = make(data, *ways)
    found = {}
    for form in forms:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(made[form.lower()].data)) as image,
        ):
            image.load()
        found[form] = metadata_of(made[form.lower()].data)
    return found


def check_keep(block: bytes, origin: str) -> None:
    """All of a block is in every output but orientation and thumbnail, at the same place."""
    order = {b"II": "<", b"MM": ">"}[block[:2]]
    stored = read_exif(block)[0, ORIENTATION].data
    turned = origin != "AVIF" and stored not in (b"\1\0", b"\0\1")
    size = (8, 12) if turned else (12, 8)
    wanted = {key: value for key, value in read_exif(block).items() if key[0] != 1 and key[1] != ORIENTATION}
    for tag, number in ((WIDTH, size[0]), (HEIGHT, size[1])):
        if (EXIF, tag) in wanted:
            wanted[EXIF, tag] = Value(4, struct.pack(order + "I", number))
    if (EXIF, COLOR_SPACE) in wanted:
        wanted[EXIF, COLOR_SPACE] = Value(3, struct.pack(order + "H", 1))
    if (INTEROP, 1) in wanted:
        wanted[INTEROP, 1] = Value(2, b"R98\0")
    for form, (made, _) in outputs(source(origin, block), Metadata.KEEP).items():
        found = read_exif(made)
        if form is Format.TIFF:
            assert found.keys() >= {(0, tag) for tag in (256, 257, 258, 259, 262, 273, 277, 278, 279)}
            found = {key: value for key, value in found.items() if key[0] or key[1] not in LAYOUT_OF_TIFF}
        assert found == wanted, form
        assert b"THUMBNAIL" not in made, form


@given(blocks(), st.sampled_from(SOURCES))
@settings(max_examples=40, phases=[Phase.generate])
def test_exif_comes_through_byte_for_byte(block, origin):
    check_keep(block, origin)


def test_planted_exif_that_pillow_writes_again_is_found(monkeypatch):
    def written_again(data: bytes) -> bytes:
        exif = Image.Exif()
        exif.load(data)
        exif.pop(ORIENTATION, None)
        return exif.tobytes().removeprefix(b"Exif\0\0")

    block = write_exif("<", {0: {ORIENTATION: (3, b"\6\0"), COPYRIGHT: (2, TEXTS[0].encode() + b"\0")}})
    check_keep(block, "JPEG")
    monkeypatch.setattr(exif_module, "upright", written_again)
    with pytest.raises(AssertionError):
        check_keep(block, "JPEG")
    with pytest.raises(AssertionError):
        test_exif_comes_through_byte_for_byte()
