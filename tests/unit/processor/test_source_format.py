"""The format of `output.format: Same`."""

import pytest

from imagejob_contract.output import EXTENSIONS, FORMATS, Animation, Format, Metadata, Output
from imagejob_contract.recipe import Rendition
from imagejob_contract.recipe_rules import violations
from imagejob_contract.source_format import EXTENSION_FORMATS, UnknownExtension, for_source

SAME = Rendition("web", Output(Format.SAME, quality=70))


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("a.jpg", Format.JPEG),
        ("d.png/a.JPEG", Format.JPEG),
        ("a.b.Png", Format.PNG),
        (".webp", Format.WEBP),
        ("x/a.tiff", Format.TIFF),
        ("a.gif", Format.GIF),
        ("a.avif", Format.AVIF),
        ("IMG_0001.HEIC", Format.JPEG),
        ("a.heif", Format.JPEG),
        ("a.hif", Format.JPEG),
        ("a.jxl", Format.JPEG),
    ],
)
def test_the_ending_says_the_format(source: str, form: Format) -> None:
    assert for_source(SAME, source) == Rendition("web", Output(form, quality=70))


@pytest.mark.parametrize("source", ["a", "jpg", "d.jpg/a", "a.", "a.jpg ", "a.cr3", "a.jpg.bak", ""])
def test_another_ending_is_an_error_that_says_what_to_do(source: str) -> None:
    with pytest.raises(UnknownExtension) as caught:
        for_source(SAME, source)
    for part in ("'web'", "output.format Same", repr(source), ".jpg", ".tiff", "name a format"):
        assert part in str(caught.value)


def test_a_named_format_stays_whatever_the_source_is_called() -> None:
    plain = Rendition("web", Output(Format.PNG))
    assert for_source(plain, "a.heic") is plain


def test_each_format_has_an_ending_of_its_own_among_those_that_are_read() -> None:
    assert {EXTENSION_FORMATS[EXTENSIONS[form]] for form in FORMATS} == set(FORMATS)
    assert set(EXTENSION_FORMATS.values()) == set(FORMATS)


def test_what_only_some_formats_have_cannot_be_asked_of_all() -> None:
    well = Output(Format.SAME, quality=9, metadata=Metadata.KEEP, animation=Animation.ALL)
    assert not list(violations(Rendition("web", well)))
    for asked in ({"progressive": True}, {"colors": 8}, {"max_size": "1Ki"}, {"speed": 3}):
        assert list(violations(Rendition("web", Output(Format.SAME, **asked))))  # type: ignore[arg-type]
