"""HEIC and HEIF sources: upright, right, and refused by name where they are not supported."""

import struct
import sys
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from imagejob_contract.result import ItemCode
from imagejob_processor import limits as checks
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import orientation
from imagejob_processor.rendering import heif, source
from imagejob_processor.rendering.heif import open_heif
from imagejob_processor.rendering.iso_media import Media, read_media
from unit.processor.images import difference, file, limits, made, photo, resized, stored

LOSSLESS = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}


def refusal(data: bytes, **options: object) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        made(data, **options)
    return caught.value


@pytest.mark.parametrize("turn", range(1, 9))
def test_it_is_upright_once(turn: int) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    data = file(photo(), "HEIF", exif=exif.tobytes())
    assert difference(made(data), orientation.apply(photo(), turn)) < 2


def test_the_orientation_in_exif_alone_does_not_count() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 1
    data = file(photo(), "HEIF", exif=exif.tobytes())
    upright, turned = (b"\x01\x12\0\x03\0\0\0\x01\0" + bytes([turn]) for turn in (1, 6))
    assert data.count(upright) == 1
    assert difference(made(data.replace(upright, turned)), photo()) < 2


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_samples_of_8_bits_are_kept(mode: str) -> None:
    image = photo().convert(mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    options = {"quality": -1} if mode == "L" else LOSSLESS
    assert made(file(image, "HEIF", **options)).convert(mode).tobytes() == image.tobytes()


@pytest.mark.parametrize("chroma", [444, 420])
def test_10_bits_become_8(chroma: int) -> None:
    ramp = np.arange(64, dtype=np.uint16) * 16 + 7
    wide = np.broadcast_to(ramp[None, :, None], (32, 64, 3)).astype(np.uint16)
    image = pillow_heif.from_bytes("RGB;16", (64, 32), (wide << 6).tobytes())
    buffer = BytesIO()
    image.save(buffer, **(LOSSLESS if chroma == 444 else {"quality": 100, "chroma": 420}))
    assert pillow_heif.open_heif(buffer.getvalue(), convert_hdr_to_8bit=False).info["bit_depth"] == 10
    shown = np.asarray(made(buffer.getvalue()), dtype=float)
    assert np.abs(shown - wide / 1023 * 255).max() <= (1 if chroma == 444 else 2)


def test_of_several_images_the_primary_one_is_used() -> None:
    both = pillow_heif.from_pillow(Image.new("RGB", (500, 400), "red"))
    both.add_from_pillow(photo())
    buffer = BytesIO()
    both.save(buffer, quality=95, primary_index=1, enc_params={"preset": "ultrafast"})
    assert difference(made(buffer.getvalue()), photo()) < 2


def test_tiles_are_joined() -> None:
    data = file(photo(), "HEIF", tile_size=128)
    assert b"grid" in data
    assert difference(made(data), photo()) < 2


def test_an_embedded_thumbnail_is_not_used() -> None:
    image = pillow_heif.from_pillow(photo())
    image.info["thumbnails"] = [160]
    buffer = BytesIO()
    image.save(buffer, quality=95, enc_params={"preset": "ultrafast", "x265:pools": "none"})
    assert b"thmb" in buffer.getvalue()
    shown = made(buffer.getvalue(), resized(50, 50))
    assert difference(shown, made(stored("HEIF"), resized(50, 50))) == 0


def test_pixels_outside_of_the_cropped_part_count() -> None:
    data = bytearray(stored("HEIF"))
    where = data.index(b"ispe") + 8
    data[where : where + 8] = struct.pack(">II", 60_000, 60_000)
    failure = refusal(bytes(data))
    assert failure.code is ItemCode.TOO_LARGE
    assert "60000x60000 = 3600000000 pixels, over the limit of 50000000" in failure.message


@pytest.mark.parametrize(
    ("codec", "name"),
    [(b"jpeg", "HEIF with JPEG compression"), (b"j2k1", "HEIF with JPEG 2000 compression"),
     (b"av01", "HEIF with AV1 compression"), (b"abcd", "HEIF with a codec other than HEVC")],
)  # fmt: skip
def test_other_codecs_are_named(codec: bytes, name: str) -> None:
    failure = refusal(stored("HEIF").replace(b"hvc1", codec))
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message == f"{name} is not supported; convert it to HEIC, AVIF or JPEG"


def test_a_sequence_without_a_still_is_named() -> None:
    data = b"\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc" + b"\0\0\0\x10moov\0\0\0\x08free"
    assert refusal(data).message.startswith("HEIF without a still image is not supported")


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"hevc", b"msf1", b"MiHE"])
def test_every_brand_is_read(brand: bytes) -> None:
    data = stored("HEIF")
    assert made(data[:8] + brand + data[12:]).size == photo().size


def test_without_the_package_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored("HEIF")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    failure = refusal(data)
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert "pillow_heif is not installed" in failure.message


@pytest.mark.parametrize("cut", range(0, 100, 7))
def test_boxes_that_end_early_are_no_error_of_their_own(cut: int) -> None:
    data = file(photo(64, 64), "HEIF")
    assert read_media(data[: len(data) * cut // 100]) is not None
    assert refusal(data[: len(data) * cut // 100]).code is ItemCode.UNDECODABLE


def test_its_pixels_are_limited_like_those_of_other_formats() -> None:
    assert made(stored("HEIF"), limits=limits(pixels=64_000)).size == (320, 200)


# --- planted bugs: each is one that was, or that could come back ---


def thumbnail_instead(data: bytes, media: Media) -> Image.Image:
    image = open_heif(data, media)
    if b"thmb" not in data:
        return image
    small = image.resize((160, 100)).resize(image.size)
    small.format = "HEIF"
    return small


@pytest.mark.parametrize(
    ("place", "name", "bug", "found_by"),
    [
        pytest.param(
            orientation, "read_orientation", lambda image: 6, lambda: test_it_is_upright_once(6),
            id="the orientation is applied twice",
        ),
        pytest.param(
            source, "open_heif", thumbnail_instead, test_an_embedded_thumbnail_is_not_used,
            id="the thumbnail instead of the image",
        ),
        pytest.param(
            heif, "_CODECS", {},
            lambda: test_other_codecs_are_named(b"j2k1", "HEIF with JPEG 2000 compression"),
            id="a refusal without the name of the codec",
        ),
        pytest.param(
            checks, "check_pixels", lambda *_: None, test_pixels_outside_of_the_cropped_part_count,
            id="a bomb is decoded",
        ),
    ],
)  # fmt: skip
def test_a_planted_bug_is_found(
    place: object, name: str, bug: object, found_by: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    found_by()
    monkeypatch.setattr(place, name, bug)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        found_by()
