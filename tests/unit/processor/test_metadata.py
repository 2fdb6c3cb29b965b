"""Metadata of outputs: none, the copyright, or everything."""

import io

import pytest
from PIL import ExifTags, Image

from imagejob_contract.output import FORMATS, Format, Metadata, Output
from imagejob_contract.recipe import Rendition
from unit.processor.images import difference, file, make, photo, resized

XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf>SECRETXMP</rdf></x:xmpmeta>"
GPS = ExifTags.IFD.GPSInfo
SHOT = ExifTags.IFD.Exif
KEEPING = [form for form in FORMATS if form is not Format.GIF]


def full_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Copyright] = "(c) Ada"
    exif[ExifTags.Base.Artist] = "Ada"
    exif[ExifTags.Base.Model] = "SECRETMODEL"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(SHOT).update({ExifTags.Base.LensModel: "Lens", ExifTags.Base.MakerNote: b"SECRETNOTE"})
    exif.get_ifd(GPS).update({1: "N", 2: (52.0, 30.0, 0.0), 29: "SECRETDAY"})
    return exif


def source(form: str = "JPEG") -> bytes:
    return file(photo(), form, exif=full_exif(), xmp=XMP)


def kept(form: Format, metadata: Metadata, data: bytes | None = None) -> tuple[bytes, Image.Image]:
    way = Rendition("out", Output(form, metadata=metadata), (resized(100, 100),))
    made = make(source() if data is None else data, way)["out"]
    image = Image.open(io.BytesIO(made.data))
    image.load()
    return made.data, image


@pytest.mark.parametrize("form", KEEPING)
@pytest.mark.parametrize("origin", ["JPEG", "WEBP", "AVIF"])
def test_keep_keeps_what_describes_the_picture(form, origin):
    data, image = kept(form, Metadata.KEEP, source(origin))
    exif = image.getexif()
    assert exif[ExifTags.Base.Copyright] == "(c) Ada"
    assert exif[ExifTags.Base.Model] == "SECRETMODEL"
    assert exif.get_ifd(SHOT)[ExifTags.Base.LensModel] == "Lens"
    assert exif.get_ifd(SHOT)[ExifTags.Base.MakerNote] == b"SECRETNOTE"
    assert exif.get_ifd(GPS)[1] == "N"
    assert b"SECRETXMP" in data
    assert exif.get(ExifTags.Base.Orientation, 1) == 1
    assert image.size == kept(form, Metadata.STRIP, source(origin))[1].size, "turned once, not twice"


@pytest.mark.parametrize("form", KEEPING)
def test_copyright_is_all_that_keep_copyright_keeps(form):
    data, image = kept(form, Metadata.KEEP_COPYRIGHT)
    exif = image.getexif()
    assert exif[ExifTags.Base.Copyright] == "(c) Ada"
    assert exif[ExifTags.Base.Artist] == "Ada"
    assert b"SECRET" not in data
    assert not exif.get_ifd(GPS)
    assert not exif.get_ifd(SHOT)


@pytest.mark.parametrize("form", FORMATS)
def test_strip_keeps_nothing(form):
    data, _ = kept(form, Metadata.STRIP)
    assert b"SECRET" not in data
    assert b"Ada" not in data


@pytest.mark.parametrize("form", KEEPING)
@pytest.mark.parametrize("metadata", list(Metadata))
def test_a_source_that_says_nothing_gives_an_output_that_says_nothing(form, metadata):
    plain, image = kept(form, metadata, file(photo()))
    assert plain == kept(form, Metadata.STRIP, file(photo()))[0]
    assert difference(image, kept(Format.PNG, Metadata.STRIP, file(photo()))[1]) < 6


def test_one_rendition_may_keep_what_another_strips():
    ways = (
        Rendition("all", Output(Format.JPEG, metadata=Metadata.KEEP)),
        Rendition("none", Output(Format.JPEG)),
    )
    made = make(source(), *ways)
    assert b"SECRETMODEL" in made["all"].data
    assert b"SECRET" not in made["none"].data


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\xff" * 70, b"junk"]
)
@pytest.mark.parametrize("metadata", [Metadata.KEEP, Metadata.KEEP_COPYRIGHT])
def test_broken_exif_is_left_out(exif, metadata):
    data = file(photo(), "JPEG", quality=95, exif=exif)
    assert difference(kept(Format.PNG, metadata, data)[1], kept(Format.PNG, Metadata.STRIP, data)[1]) == 0
