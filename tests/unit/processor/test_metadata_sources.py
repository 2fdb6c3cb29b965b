"""Metadata wherever sources have it, and what is noted if an output cannot have it."""

import io
import struct
import warnings
import zlib

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from PIL import Image

from imagejob_contract.output import FORMATS, Animation, Format, Metadata, Output
from imagejob_contract.recipe import Rendition
from imagejob_processor.notes import collecting
from unit.processor.images import difference, file, make, photo, resized
from unit.processor.metadata_files import (
    EXIF,
    GPS,
    metadata_of,
    read_exif,
    tiff_file,
    with_chunk,
    with_segment,
    write_exif,
)

ORIENTATION, ARTIST, COPYRIGHT, MAKER_NOTE, LENS = 0x0112, 0x013B, 0x8298, 0x927C, 0xA434
NAME = "張 偉 © Jürgen".encode()
MAIN = {
    ARTIST: (2, NAME),
    COPYRIGHT: (129, NAME + b"\0"),
    0x9C9D: (1, "張".encode("utf-16-le")),
    0x010F: (2, b"SECRET"),
}
DIRECTORIES = {0: MAIN, EXIF: {0xA437: (2, NAME), LENS: (2, b"\xff\xfe\0")}, GPS: {1: (2, b"N\0")}}
KEEPING = [form for form in FORMATS if form is not Format.GIF]
RIGHTS = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:r="http://ns.adobe.com/xap/1.0/rights/"'
    ' xmlns:t="http://ns.adobe.com/tiff/1.0/" r:Marked="True" t:Make="SECRET" t:Orientation=\'6\'>'
    "<dc:creator><rdf:Seq><rdf:li>張 偉</rdf:li></rdf:Seq></dc:creator><dc:title>SECRET</dc:title>"
    "<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>© &amp; ™</rdf:li></rdf:Alt></dc:rights>"
    "</rdf:Description></rdf:RDF>"
).encode()


def converted(
    data: bytes, form: Format, metadata: Metadata = Metadata.KEEP, **options: object
) -> tuple[bytes, bytes, list[str]]:
    """EXIF and XMP of an output, and the notes."""
    way = Rendition("out", Output(form, metadata=metadata, **options), (resized(12, 12),))  # type: ignore[arg-type]
    with collecting() as notes:
        made = make(data, way)["out"].data
    return (*metadata_of(made), notes)


def texts(block: bytes) -> set[bytes]:
    return {
        value.data
        for (_, tag), value in read_exif(block).items()
        if tag in (ARTIST, COPYRIGHT, 0x9C9D, 0xA437)
    }


@pytest.mark.parametrize("form", KEEPING)
@pytest.mark.parametrize("order", ["<", ">"])
def test_keep_copyright_keeps_its_bytes_and_nothing_else(form, order):
    data = file(photo(24, 16), "JPEG", exif=b"Exif\0\0" + write_exif(order, DIRECTORIES), xmp=RIGHTS)
    exif, xmp, notes = converted(data, form, Metadata.KEEP_COPYRIGHT)
    assert texts(exif) == {NAME, NAME + b"\0", "張".encode("utf-16-le")}
    assert {kind for kind, _ in read_exif(exif)} == {0, EXIF}
    assert b"SECRET" not in exif + xmp
    assert b"Orientation" not in xmp
    assert all(text.encode() in xmp for text in ("張 偉", "© &amp; ™", "x-default", 'Marked="True"'))
    assert notes == []


@pytest.mark.parametrize("form", KEEPING)
@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
def test_the_exif_of_a_tiff_is_its_own_directory(form, order, big):
    main = {
        **MAIN,
        700: (1, RIGHTS),
        0x0132: (2, b"2026:01:02 03:04:05\0"),
        34377: (7, b"8BIM"),
        0xFDE8: (2, b"private"),
    }
    shot = {**DIRECTORIES[EXIF], MAKER_NOTE: (7, b"a note of the maker")}
    data = tiff_file(order, {0: main, EXIF: shot, GPS: DIRECTORIES[GPS]}, big=big)
    exif, xmp, notes = converted(data, form)
    found = {key: (value.type, value.data) for key, value in read_exif(exif).items()}
    for name, wanted in ((0, {**MAIN, 0x0132: main[0x0132]}), (EXIF, shot), (GPS, DIRECTORIES[GPS])):
        assert {tag: found[name, tag] for tag in wanted} == wanted
    assert not found.keys() & {(0, 34377), (0, 0xFDE8)}
    assert xmp == RIGHTS.replace(b"'6'", b"'1'")
    assert notes == []


XMP = b"<x xmlns:tiff='http://ns.adobe.com/tiff/1.0/' xmlns:q='http://ns.adobe.com/tiff/1.0/'>\xff\xfe%b</x>"


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (b'<a tiff:Orientation="6"/>', b'<a tiff:Orientation="1"/>'),
        (b"<a tiff:Orientation = ' 08 '/>", b"<a tiff:Orientation = ' 01 '/>"),
        (b"<tiff:Orientation>3</tiff:Orientation>", b"<tiff:Orientation>1</tiff:Orientation>"),
        (b'<q:Orientation\nz="">\n 7 </q:Orientation>', b'<q:Orientation\nz="">\n 1 </q:Orientation>'),
        (b'<a q:Orientation="&#54;"/>', b'<a q:Orientation="00001"/>'),
        (b'<a z:Orientation="6" tiff:OrientationX="6" tiff:X="6"/>',) * 2,
        (b"<tiff:Orientations>6</tiff:Orientations>",) * 2,
    ],
)
@pytest.mark.parametrize("form", KEEPING)
def test_xmp_comes_through_byte_for_byte_but_for_the_orientation(found, left, form):
    assert converted(file(photo(24, 16), "WEBP", xmp=XMP % found), form)[1] == XMP % left


def test_xmp_of_the_default_namespace_is_upright_too():
    packet = b'<x xmlns="http://ns.adobe.com/tiff/1.0/"><Orientation>6</Orientation></x>'
    assert converted(file(photo(24, 16), "WEBP", xmp=packet), Format.WEBP)[1] == packet.replace(b"6", b"1")


@pytest.mark.parametrize("origin", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_the_orientation_of_xmp_is_applied_once(origin):
    packet = b'<x><tiff:Orientation xmlns:tiff="http://ns.adobe.com/tiff/1.0/">6</tiff:Orientation></x>'
    image = photo(24, 16).transpose(Image.Transpose.ROTATE_90)
    if origin == "TIFF":
        data = file(image, "TIFF", tiffinfo={700: packet})
    elif origin == "PNG":
        data = with_chunk(file(image), b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet)
    else:
        data = file(image, origin, xmp=packet, quality=98)
    way = Rendition("out", Output(Format.PNG, metadata=Metadata.KEEP), (resized(12, 12),))
    made = make(data, way)["out"]
    with Image.open(io.BytesIO(made.data)) as shown:
        assert shown.getexif().get(ORIENTATION, 1) == 1
        assert difference(shown, photo(24, 16).resize((12, 8), Image.Resampling.LANCZOS)) < 6


@pytest.mark.parametrize("text", ["plain", "compressed"])
@pytest.mark.parametrize("name", [b"exif", b"APP1"])
def test_exif_and_xmp_that_a_png_has_as_text(text, name):
    block, data = write_exif(">", DIRECTORIES), file(photo(24, 16))
    for profile, content in ((name, b"Exif\0\0" + block), (b"xmp", RIGHTS)):
        raw = b"\n%b\n%8d\n%b\n" % (profile, len(content), content.hex("\n", 36).encode())
        packed = b"\0" + zlib.compress(raw) if text == "compressed" else raw
        kind = b"zTXt" if text == "compressed" else b"tEXt"
        data = with_chunk(data, kind, b"Raw profile type " + profile + b"\0" + packed)
    exif, xmp, _ = converted(data, Format.PNG)
    assert read_exif(exif) == read_exif(block)
    assert xmp == RIGHTS.replace(b"'6'", b"'1'")


def test_compressed_xmp_of_a_png_and_xmp_of_a_gif():
    chunk = b"XML:com.adobe.xmp\0\1\0en\0title\0" + zlib.compress(RIGHTS)
    gif = file(photo(24, 16), "GIF")
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    gif = gif[:-1] + b"!\xff\x0bXMP DataXMP" + RIGHTS + trailer + gif[-1:]
    for data in (with_chunk(file(photo(24, 16)), b"iTXt", chunk), gif):
        assert converted(data, Format.WEBP)[1] == RIGHTS.replace(b"'6'", b"'1'")


def large(size: int) -> bytes:
    return write_exif("<", {0: MAIN, EXIF: {MAKER_NOTE: (7, b"m" * size)}})


def test_keep_keeps_the_copyright_if_the_rest_is_too_large():
    data = file(photo(24, 16), "WEBP", exif=large(70_000), xmp=RIGHTS + b" " * 70_000)
    exif, xmp, notes = converted(data, Format.JPEG)
    assert texts(exif) == texts(large(1))
    assert "張 偉".encode() in xmp
    assert notes == [
        f"EXIF of {len(large(70_000))} bytes was reduced to the copyright: JPEG holds at most 65527 bytes",
        f"XMP of {len(RIGHTS) + 70_000} bytes was reduced to the copyright: JPEG holds at most 65504 bytes",
    ]
    exif, xmp, notes = converted(data, Format.AVIF)
    assert read_exif(exif) == read_exif(large(70_000))
    assert len(xmp) == len(RIGHTS) + 70_000
    assert notes == []


def test_a_thumbnail_does_not_count():
    block = write_exif("<", {0: MAIN, EXIF: {MAKER_NOTE: (7, b"m" * 60_000)}}, b"thumbnail" * 1000)
    exif, _, notes = converted(file(photo(24, 16), "WEBP", exif=block), Format.JPEG)
    assert read_exif(exif)[EXIF, MAKER_NOTE].data == b"m" * 60_000
    assert notes == []


def test_copyright_that_is_too_large_is_noted():
    block = write_exif("<", {0: {ARTIST: (2, b"a" * 70_000)}})
    exif, _, notes = converted(file(photo(24, 16), "WEBP", exif=block), Format.JPEG, Metadata.KEEP_COPYRIGHT)
    assert exif == b""
    assert notes == [f"EXIF of {len(block)} bytes was dropped: JPEG holds at most 65527 bytes"]


def test_a_gif_holds_none():
    data = file(photo(24, 16), "JPEG", exif=b"Exif\0\0" + large(1), xmp=RIGHTS)
    way = Rendition("out", Output(Format.GIF, metadata=Metadata.KEEP))
    with collecting() as notes:
        assert NAME not in make(data, way)["out"].data
    assert notes == [f"EXIF of {len(large(1))} bytes was dropped: GIF holds none",
                     f"XMP of {len(RIGHTS)} bytes was dropped: GIF holds none"]  # fmt: skip


def test_iptc_and_extended_xmp_are_noted():
    data = file(photo(24, 16), "JPEG", xmp=RIGHTS)
    data = with_segment(data, 0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\x02P\0\1a")
    data = with_segment(data, 0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"x" * 100)
    assert converted(data, Format.PNG)[2] == [
        "IPTC of 6 bytes was dropped: only EXIF and XMP are kept",
        "extended XMP of 135 bytes was dropped: only the main packet is kept",
    ]
    assert converted(data, Format.PNG, Metadata.STRIP)[2] == []


@pytest.mark.parametrize("form", [Format.WEBP])
def test_animations_keep_it_too(form):
    frames = [photo(24, 16), photo(24, 16).transpose(Image.Transpose.ROTATE_180)]
    block = write_exif("<", DIRECTORIES)
    data = file(frames[0], "WEBP", save_all=True, append_images=frames[1:], exif=block, xmp=RIGHTS)
    exif, xmp, _ = converted(data, form, animation=Animation.ALL)
    assert read_exif(exif) == read_exif(block)
    assert xmp == RIGHTS.replace(b"'6'", b"'1'")


WHOLE = write_exif("<", {**DIRECTORIES, 0: {**MAIN, ORIENTATION: (3, b"\6\0")}}, b"thumbnail")
HOLDER = write_exif("<", {0: {0x010E: (2, b"x")}})


def with_broken_exif(origin: str, block: bytes) -> bytes:
    """A file whose EXIF, which was correct, is replaced by bytes of the same length."""
    holder = HOLDER.ljust(len(block), b"\0")
    data = file(photo(24, 16), origin, exif=(b"Exif\0\0" if origin == "JPEG" else b"") + holder)
    crc = b"eXIf" if origin == "PNG" else b""
    sums = [struct.pack(">I", zlib.crc32(crc + content)) if crc else b"" for content in (holder, block)]
    assert data.count(holder + sums[0]) == 1
    return data.replace(holder + sums[0], block + sums[1])


@given(
    st.sampled_from(["JPEG", "PNG", "WEBP", "AVIF"]),
    st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=6)), max_size=4),
    st.integers(0, len(WHOLE)),
)
@settings(max_examples=60, phases=[Phase.explicit, Phase.generate])
@example(
    "AVIF", [(158, b"\xd8\x04\xc6\x11\x88%"), (150, b"D\xa6r"), (67, b"t"), (178, b"c\xe5\xad\xd2C")], 271
)
def test_broken_exif_fails_no_item_and_leaves_no_orientation(origin, changes, cut):
    broken = bytearray(WHOLE)
    for at, content in changes:
        broken[at : at + len(content)] = content
    block = bytes(broken[: cut or None]).ljust(len(HOLDER), b"\0")
    ways = [
        Rendition(f"{form}-{metadata}".lower(), Output(form, metadata=metadata), (resized(12, 12),))
        for form in KEEPING
        for metadata in (Metadata.KEEP, Metadata.KEEP_COPYRIGHT)
    ]
    for made in make(with_broken_exif(origin, block), *ways).values():
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(made.data)) as image:
            assert image.getexif().get(ORIENTATION, 1) == 1
            image.load()


@pytest.mark.parametrize("origin", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    "block", [b"junk" * 20, bytes(80), b"II*\0" + b"\xff" * 76], ids=["junk", "zeros", "far"]
)
def test_exif_that_cannot_be_read_is_noted(origin, block):
    exif, _, notes = converted(with_broken_exif(origin, block), Format.PNG)
    assert exif == b""
    assert [note[:4] for note in notes[:1]] == ["EXIF"]
    assert "corrupt" in notes[0]
