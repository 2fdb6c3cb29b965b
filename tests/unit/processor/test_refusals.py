"""What a file that is refused says: the format and the reason, the same each time, and no words of Python."""

from __future__ import annotations

import io
import random
import re

import pytest
from PIL import Image

from imagejob_contract.output import Animation, Format, Output
from imagejob_contract.recipe import Rendition
from imagejob_processor import errors
from imagejob_processor.errors import ItemFailure
from unit.processor.handmade import bmp, chunk, png, tiff_of
from unit.processor.images import file, make, rendition, resized

FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "BMP", "HEIF", "JXL"]
NAMES = {"WEBP": "WebP", "JXL": "JPEG XL"}
PYTHON = re.compile(
    r"\b0x[0-9a-f]|<|>|_|\bb['\"]|\bobject\b|\bPIL\b|\bPillow\b|\bNone\b|\bbytes-like\b|[a-z](Error|Exception|Warning)\b"
    r"|\bdecoder error\b|\btuple\b|\bstruct\b|\bunpack\b|\bindex out of\b|\bargument\b|\bencoder error\b"
)
WAYS = (
    rendition(resized(20, 20)),
    Rendition(name="all", output=Output(format=Format.WEBP, animation=Animation.ALL), steps=()),
)


def sources(form: str) -> list[bytes]:
    image = Image.radial_gradient("L").resize((40, 30)).convert("RGB")
    found = [file(image, form)]
    if form in ("GIF", "WEBP", "PNG"):
        found.append(file(image, form, save_all=True, append_images=[image.rotate(90)], duration=30))
    if form == "PNG":
        found.append(png([[(1, 2, 3)] * 9] * 9, 16, 2, chunk(b"tRNS", bytes(6))))
        found.append(file(image.quantize(9), form, transparency=1))
    if form == "TIFF":
        found += [file(image, form, compression=name) for name in ("tiff_lzw", "jpeg", "tiff_adobe_deflate")]
        found.append(tiff_of([[(1, 2, 3)] * 9] * 9, 16, 2))
    if form == "JPEG":
        found += [file(image, form, progressive=True), file(image.convert("CMYK"), form)]
    if form == "BMP":
        found.append(bmp([[(1,)] * 9] * 9, 16, masks=(0xF800, 0x07E0, 0x001F, 0)))
    return found


def mutated(form: str, count: int) -> list[bytes]:
    """Files cut off, with bytes changed anywhere, or near the beginning."""
    some = random.Random(f"refusals of {form}")
    originals, found = sources(form), []
    for number in range(count):
        data = bytearray(some.choice(originals))
        if number % 3 == 0:
            data = data[: some.randrange(len(data))]
        for _ in range(some.choice((1, 2, 8)) if number % 3 else 0):
            data[some.randrange(len(data) if number % 3 == 1 else min(len(data), 90))] = some.randrange(256)
        found.append(bytes(data))
    return found


def answer(data: bytes) -> str:
    try:
        make(data, *WAYS)
    except ItemFailure as failure:
        return f"{failure.code} {failure.message}"
    return ""


def unreadable(text: str) -> bool:
    return bool(PYTHON.search(text.removeprefix(text[:7]))) if text else False


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_with_errors_is_refused_in_plain_words_and_the_same_each_time(form):
    answers = {data: answer(data) for data in mutated(form, 60)}
    assert [text for text in answers.values() if unreadable(text)] == []
    assert [data for data, text in answers.items() if answer(data) != text] == []
    assert any(answers.values())


@pytest.mark.parametrize("form", FORMATS)
def test_the_format_is_named(form):
    data = sources(form)[0]
    assert f"the {NAMES.get(form, form)} file is truncated or corrupt" in answer(data[: len(data) // 2])


def test_planted_the_text_of_the_library_is_seen(monkeypatch):
    monkeypatch.setattr("imagejob_processor.rendering.source.reason_of", lambda error: f": {error}")
    assert any(unreadable(answer(data)) for data in mutated("TIFF", 60))


def test_only_known_reasons_are_named():
    with pytest.raises(Image.UnidentifiedImageError) as caught:
        Image.open(io.BytesIO(b"\x89PNG\r\n\x1a\n"))
    assert errors.reason_of(caught.value) == ": its header is damaged"
    assert (
        errors.reason_of(OSError("image file is truncated (7 bytes not processed)")) == ": it ends too early"
    )
    assert errors.reason_of(ValueError("bytes-like object required")) == ""
