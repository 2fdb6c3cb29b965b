"""Colours: every description of them in a source, compared with values computed without LittleCMS."""

import base64
import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms
from skimage.color import deltaE_ciede2000, rgb2lab

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import colour
from imagejob_processor.pixels.matrix_profile import BT709, matrix_profile
from imagejob_processor.rendering import colour_space
from unit.processor.images import file, made, photo, resized
from unit.processor.profiles import (
    D65,
    P3,
    SPACES,
    SRGB,
    Floats,
    Space,
    encoded,
    grey_profile,
    ink_lab,
    ink_profile,
    lab_shown,
    rgb_profile,
    shown,
)

STEPS = (0, 1, 3, 9, 27, 64, 100, 128, 200, 254, 255)
COLOURS = np.array([(r, g, b) for r in STEPS for g in STEPS for b in STEPS], dtype=np.uint8).reshape(
    11, 121, 3
)
GREYS = np.arange(256, dtype=np.uint8).reshape(16, 16)
LOSSLESS: dict[str, dict[str, object]] = {
    "PNG": {},
    "TIFF": {},
    "WEBP": {"lossless": True},
    "HEIF": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
}
WIDE = {name: space for name, space in SPACES.items() if space is not SRGB}


def delta_e(image: Image.Image, right: Floats) -> float:
    """The largest CIEDE2000 difference from colours, 0 to 255."""
    found = np.asarray(image.convert("RGB"), dtype=float)
    return float(deltaE_ciede2000(rgb2lab(found / 255), rgb2lab(right / 255)).max())


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(pixels: NDArray[np.uint8], *chunks: bytes, **options: object) -> bytes:
    """A PNG with more chunks before its pixels."""
    data = file(Image.fromarray(pixels), **options)
    return data[:33] + b"".join(chunks) + data[33:]


def gama(gamma: float) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", round(100_000 / gamma)))


def chrm(space: Space) -> bytes:
    points = [space.white, *space.primaries]
    return chunk(
        b"cHRM", struct.pack(">8I", *(round(100_000 * value) for point in points for value in point))
    )


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes((primaries, transfer, 0, 1)))


def nclx(form: str, pixels: NDArray[np.uint8], primaries: int, transfer: int) -> bytes:
    """A file without a profile, with these code points."""
    image = Image.fromarray(pixels)
    more: dict[str, object] = {"quality": 100, "subsampling": "4:4:4"} if form == "AVIF" else LOSSLESS[form]
    head, found, rest = file(image, form, **more).partition(b"colrnclx")
    assert found
    return head + found + struct.pack(">HH", primaries, transfer) + rest[4:]


@pytest.mark.parametrize("form", LOSSLESS)
@pytest.mark.parametrize("name", SPACES)
def test_a_profile_is_applied(form: str, name: str) -> None:
    space = SPACES[name]
    data = file(Image.fromarray(COLOURS), form, icc_profile=rgb_profile(space), **LOSSLESS[form])
    assert delta_e(made(data), shown(COLOURS.astype(float), space)) < 1


@pytest.mark.parametrize("called", ["sRGB", "sRGB IEC61966-2.1", "sRGB-elle-V2-g10.icc"])
@pytest.mark.parametrize("name", WIDE)
def test_the_name_of_a_profile_does_not_count(called: str, name: str) -> None:
    data = file(Image.fromarray(COLOURS), icc_profile=rgb_profile(SPACES[name], called))
    assert delta_e(made(data), shown(COLOURS.astype(float), SPACES[name])) < 1


def test_a_profile_that_is_srgb_changes_nothing_whatever_its_name() -> None:
    lcms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (lcms, rgb_profile(SRGB, "Apple RGB"), matrix_profile(BT709, None), grey_profile(None)):
        assert colour.is_srgb(profile, "L")
        assert colour.is_srgb(profile, "RGB")
        image = Image.fromarray(COLOURS)
        assert made(file(image, icc_profile=profile)).tobytes() == image.tobytes()


@pytest.mark.parametrize("name", WIDE)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_other_profiles_are_not_srgb(name: str, mode: str) -> None:
    """Grey has the curve of a space only, which Display P3 shares with sRGB."""
    assert colour.is_srgb(rgb_profile(SPACES[name]), mode) is (mode == "L" and name == "Display P3")


@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2, None])
@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize(
    "kind", [grey_profile, lambda gamma: rgb_profile(Space(D65, P3, gamma))], ids=["grey", "RGB"]
)
def test_grey_stays_grey(gamma: float | None, mode: str, kind: object) -> None:
    image = Image.fromarray(GREYS).convert(mode)
    result = made(file(image, icc_profile=kind(gamma)))  # type: ignore[operator]
    assert result.mode == ("L" if mode == "L" else "RGBA")
    right = encoded(Space(D65, P3, gamma).linear(GREYS / 255.0))
    for band in result.split()[: 3 if mode == "LA" else 1]:
        assert np.abs(np.asarray(band, dtype=float) - right).max() < (0.9 if kind is grey_profile else 1.5)


def test_alpha_stays() -> None:
    alpha = Image.fromarray(np.resize(np.arange(256, dtype=np.uint8), (11, 121)))
    image = Image.fromarray(COLOURS)
    image.putalpha(alpha)
    result = made(file(image, icc_profile=rgb_profile(SPACES["Display P3"])))
    assert result.getchannel("A").tobytes() == alpha.tobytes()
    assert delta_e(result, shown(COLOURS.astype(float), SPACES["Display P3"])) < 1


@pytest.mark.parametrize("form", ["TIFF", "JPEG"])
def test_inks_are_perceptual_with_black_point_compensation(form: str) -> None:
    inks = np.random.default_rng(1).integers(0, 256, (30, 30, 4), dtype=np.uint8)
    if form == "JPEG":
        inks = np.repeat(np.repeat(inks, 8, 0), 8, 1)
    image = Image.fromarray(inks, "CMYK")
    more = {} if form == "TIFF" else {"quality": 100, "subsampling": 0}
    data = file(image, form, icc_profile=ink_profile(), **more)
    assert delta_e(made(data), lab_shown(ink_lab(inks / 255), black=5)) < (1 if form == "TIFF" else 4)
    assert made(file(Image.new("CMYK", (8, 8), (255,) * 4), form, icc_profile=ink_profile())).getpixel(
        (4, 4)
    ) == (
        0,
        0,
        0,
    )


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
@pytest.mark.parametrize(
    ("points", "space"),
    [
        ((12, 13), SPACES["Display P3"]),
        ((9, 4), Space(D65, SPACES["BT.2020"].primaries, 2.2)),
        ((1, 8), SPACES["linear"]),
        ((5, 1), Space(D65, ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), None)),
        ((1, 13), SRGB), ((1, 1), SRGB), ((2, 2), SRGB), ((2, 6), SRGB),
    ],
)  # fmt: skip
def test_code_points_are_applied(form: str, points: tuple[int, int], space: Space) -> None:
    pixels = np.repeat(np.repeat(COLOURS[::2, ::6], 8, 0), 8, 1)
    result = made(nclx(form, pixels, *points))
    # The AVIF is not without loss, which a linear curve enlarges.
    assert delta_e(result, shown(pixels.astype(float), space)) < (
        1 if form == "HEIF" else 4 if points[1] != 8 else 20
    )


@pytest.mark.parametrize("form", ["HEIF", "AVIF", "PNG"])
@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_hdr_is_refused_by_name(form: str, transfer: int, name: str) -> None:
    pixels = COLOURS[:8, :8]
    data = png(pixels, cicp(9, transfer)) if form == "PNG" else nclx(form, pixels, 9, transfer)
    with pytest.raises(ItemFailure) as caught:
        made(data)
    assert caught.value.code is ItemCode.UNSUPPORTED_FORMAT
    assert caught.value.message == f"HDR colours ({name}) are not supported; convert the image to SDR"


def test_a_profile_goes_before_code_points() -> None:
    """HEIF and AVIF may have both."""
    pixels = np.repeat(np.repeat(COLOURS[::2, ::6], 8, 0), 8, 1)
    image, profile = Image.fromarray(pixels), rgb_profile(SPACES["Adobe RGB"])
    data = file(image, "AVIF", icc_profile=profile, quality=100, subsampling="4:4:4")
    assert b"nclx" in data
    data = data.replace(b"nclx\0\x01\0\x0d", b"nclx\0\x0c\0\x0d")
    assert delta_e(made(data), shown(pixels.astype(float), SPACES["Adobe RGB"])) < 4


PNG_CHUNKS = {
    "gAMA with cHRM": ((gama(1.8), chrm(SPACES["ProPhoto"])), SPACES["ProPhoto"]),
    "gAMA with the primaries of sRGB": ((gama(1.0), chrm(SRGB)), SPACES["linear"]),
    "gAMA alone": ((gama(1.0),), SPACES["linear"]),
    "gAMA of sRGB alone": ((gama(2.2),), SRGB),
    "cHRM alone": ((chrm(SPACES["ProPhoto"]),), SRGB),
    "sRGB before gAMA": ((chunk(b"sRGB", b"\0"), gama(1.0), chrm(SPACES["ProPhoto"])), SRGB),
    "cICP": ((cicp(12, 13),), SPACES["Display P3"]),
    "cICP before sRGB": ((cicp(12, 13), chunk(b"sRGB", b"\0")), SPACES["Display P3"]),
    "cICP of sRGB before gAMA": ((cicp(1, 13), gama(1.0), chrm(SRGB)), SRGB),
    "cHRM that is impossible": ((gama(1.0), chunk(b"cHRM", bytes(32))), SRGB),
    "cHRM on one line": ((gama(1.0), chunk(b"cHRM", struct.pack(">8I", *(30_000,) * 8))), SRGB),
    "gAMA of zero": ((chunk(b"gAMA", bytes(4)), chrm(SRGB)), SRGB),
}


@pytest.mark.parametrize("case", PNG_CHUNKS)
def test_the_chunks_of_a_png_are_applied(case: str) -> None:
    chunks, space = PNG_CHUNKS[case]
    assert delta_e(made(png(COLOURS, *chunks)), shown(COLOURS.astype(float), space)) < 1


def test_cicp_goes_before_a_profile_and_a_profile_before_all_others() -> None:
    profile = rgb_profile(SPACES["Adobe RGB"])
    both = png(COLOURS, cicp(12, 13), icc_profile=profile)
    assert delta_e(made(both), shown(COLOURS.astype(float), SPACES["Display P3"])) < 1
    others = png(COLOURS, gama(1.0), chrm(SRGB), icc_profile=profile)
    assert delta_e(made(others), shown(COLOURS.astype(float), SPACES["Adobe RGB"])) < 1


P3_JXL = base64.b64decode("/wpBQEAmNwIIAgEAYABLGIsVwklDYb5ABACH3LECAAAAAAAAAAA=")
PQ_JXL = base64.b64decode("/wpBBBCQR484HAAAAAACCAIBAGAASxiLFcJJQ2G+QAQAh9yxAgAAAAAAAAAA")
HLG_JXL = base64.b64decode("/wpBBBCQZyDQYwAAAAAICAIBAGAASxiLFcJJQ2G+QAQAh9yxAgAAAAAAAAAA")
"""8x8 pixels of the samples 200, 100, 50."""


def test_the_colours_of_jpeg_xl_are_applied() -> None:
    flat = np.full((8, 8, 3), (200.0, 100.0, 50.0))
    assert delta_e(made(P3_JXL), shown(flat, SPACES["Display P3"])) < 1


@pytest.mark.parametrize(("data", "name"), [(PQ_JXL, "PQ"), (HLG_JXL, "HLG")])
def test_hdr_in_jpeg_xl_is_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(ItemFailure, match=rf"HDR colours \({name}\) are not supported"):
        made(data)


@pytest.mark.parametrize(
    "profile", [b"", b"no profile", rgb_profile(SRGB)[:200], grey_profile(1.0), ink_profile()]
)
def test_a_profile_that_is_broken_or_for_other_colours_is_ignored(profile: bytes) -> None:
    image = Image.fromarray(COLOURS)
    assert made(file(image, icc_profile=profile)).tobytes() == image.tobytes()


def test_exif_does_not_change_colours() -> None:
    """A camera's Adobe RGB without a profile is shown as sRGB, as browsers do."""
    exif = Image.Exif()
    exif.get_ifd(ExifTags.IFD.Exif)[0xA001] = 2
    exif.get_ifd(ExifTags.IFD.Interop)[1] = "R03"
    plain, marked = (file(photo(), "JPEG", **more) for more in ({}, {"exif": exif}))
    assert made(plain).tobytes() == made(marked).tobytes()


def test_colours_are_converted_after_the_resize_too() -> None:
    flat = np.full((64, 64, 3), (200, 100, 50), dtype=np.uint8)
    data = file(Image.fromarray(flat), icc_profile=rgb_profile(SPACES["ProPhoto"]))
    right = shown(flat[:16, :16].astype(float), SPACES["ProPhoto"])
    assert delta_e(made(data, resized(16, 16)), right) < 1


def test_a_profile_made_from_numbers_is_that_of_its_space() -> None:
    for space in SPACES.values():
        points = (*space.white, *(value for point in space.primaries for value in point))
        profile = matrix_profile(points, space.gamma)  # type: ignore[arg-type]
        assert profile is not None
        assert ImageCms.ImageCmsProfile(BytesIO(profile)).profile.xcolor_space == "RGB "
        image = colour.to_srgb(Image.fromarray(COLOURS), profile)
        assert delta_e(image, shown(COLOURS.astype(float), space)) < 1


# --- planted bugs: each is one that was, or that could come back ---


def named_srgb(profile: bytes | None, mode: str) -> object:
    """Whether a profile is skipped for its name."""
    return None if profile and b"sRGB" in profile.replace(b"\0", b"") else TRANSFORM(profile, mode)


TRANSFORM = colour._transform


@pytest.mark.parametrize(
    ("place", "name", "bug", "found_by"),
    [
        pytest.param(
            colour, "_transform", named_srgb,
            lambda: test_the_name_of_a_profile_does_not_count("sRGB", "linear"),
            id="a profile is skipped for its name",
        ),
        pytest.param(
            colour, "_transform", lambda profile, mode: None,
            lambda: test_a_profile_is_applied("PNG", "Display P3"),
            id="no profile is applied",
        ),
        pytest.param(
            colour_space, "matrix_profile", lambda points, gamma: matrix_profile(BT709, gamma),
            lambda: test_code_points_are_applied("HEIF", (12, 13), SPACES["Display P3"]),
            id="code points without their primaries",
        ),
        pytest.param(
            colour_space, "matrix_profile", lambda points, gamma: matrix_profile(points, None),
            lambda: test_code_points_are_applied("HEIF", (1, 8), SPACES["linear"]),
            id="code points without their gamma",
        ),
        pytest.param(
            colour_space, "_HDR", {}, lambda: test_hdr_is_refused_by_name("PNG", 16, "PQ"),
            id="HDR is taken for SDR",
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
