"""JPEG to JPEG by planes: the same result as by RGB, and used only where that holds."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

from imagejob_contract.order import EngineName
from imagejob_contract.output import Chroma, Format, Metadata, Output
from imagejob_contract.pod_memory import work_pixels
from imagejob_contract.recipe import Crop, Fit, Pad, Rendition, Resample, Step
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import resampling as engines
from imagejob_processor.pixels import turbojpeg
from imagejob_processor.pixels.resampling import PILLOW, load_engine
from imagejob_processor.pixels.turbojpeg import Planes, TurboJpeg, chroma_size, reduction
from imagejob_processor.rendering import jpeg_planes
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.rendering.pipeline import render
from imagejob_processor.rendering.plan import make_plan
from imagejob_processor.rendering.source import open_source
from unit.processor.images import LIMITS, difference, file, opened, photo, rendition, resized
from unit.processor.test_pipeline import p3_like_profile

SIMD = load_engine(EngineName.SIMD)
CHROMAS = {Chroma.FULL: (1, 1), Chroma.HALF: (2, 1), Chroma.QUARTER: (2, 2)}


def small(*steps: Step, **output: object) -> Rendition:
    steps = steps or (resized(50, 50),)
    return Rendition("out", Output(**{"format": Format.JPEG, "quality": 95, **output}), steps)


def began(data: bytes, *ways: Rendition) -> jpeg_planes.JpegPlanes | None:
    source = open_source(data, LIMITS)
    plan = make_plan(source.size, source.orientation, ways, work_pixels(ways, LIMITS))
    return jpeg_planes.decode_planes(data, source, plan, SIMD)


def both(data: bytes, *ways: Rendition) -> tuple[dict[str, EncodedRendition], dict[str, EncodedRendition]]:
    """The renditions made by planes, and by RGB."""
    assert began(data, *ways) is not None
    found = (
        [e for e in render(data, ways, LIMITS, engine) if isinstance(e, EncodedRendition)]
        for engine in (SIMD, PILLOW)
    )
    one, other = ({each.rendition: each for each in made} for made in found)
    return one, other


def stored(factors: tuple[int, int], size: tuple[int, int] = (320, 200)) -> bytes:
    """A JPEG with this chroma subsampling; Pillow writes only some kinds."""
    assert SIMD.codec is not None
    light, *colours = photo(*size).convert("YCbCr").split()
    coarse = [colour.resize(chroma_size(size, factors), Image.Resampling.BOX) for colour in colours]
    return SIMD.codec.encode(Planes((light, *coarse), factors), 97, progressive=False)


def test_the_codec_is_here_and_works():
    assert isinstance(SIMD.codec, TurboJpeg)


@pytest.mark.parametrize("factors", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)], ids=str)
@pytest.mark.parametrize("chroma", Chroma)
@pytest.mark.parametrize("size", [(320, 200), (321, 203)], ids=str)
def test_however_colours_are_kept_it_is_the_same_picture(factors, chroma, size):
    ways = [small(resized(side, side), chroma=chroma) for side in (100, 75, 33)]
    ways = [Rendition(f"s{n}", way.output, way.steps) for n, way in enumerate(ways)]
    one, other = both(stored(factors, size), *ways)
    for name, each in one.items():
        assert difference(opened(each), opened(other[name])) < 2, name


@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    factors=st.sampled_from([(1, 1), (2, 1), (1, 2), (2, 2), (4, 1)]),
)
def test_the_library_writes_only_where_it_may(size, factors):
    """It gets addresses without lengths, so an extra row would overwrite other memory."""
    assert SIMD.codec is not None
    data = stored(factors, size)
    beyond = bytes([0xA5]) * 512

    class Guarded(bytearray):
        def __new__(cls, length):
            made = super().__new__(cls)
            guarded.append((made, length))
            return made

        def __init__(self, length):
            super().__init__(bytes(length) + beyond)

        def __len__(self):
            return super().__len__() - len(beyond)

    guarded: list[tuple[bytearray, int]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turbojpeg, "bytearray", Guarded, raising=False)
        planes = SIMD.codec.decode(data, size, 1)
    assert planes is not None
    assert len(guarded) == 3
    for buffer, length in guarded:
        assert bytes(buffer)[length:] == beyond


@settings(max_examples=40)
@given(
    size=st.tuples(st.integers(4, 90), st.integers(4, 90)),
    box=st.tuples(st.integers(3, 120), st.integers(3, 120)),
    fit=st.sampled_from([Fit.INSIDE, Fit.COVER, Fit.FILL, Fit.OUTSIDE]),
    how=st.sampled_from(Resample),
    orientation=st.integers(1, 8),
    subsampling=st.integers(0, 2),
    chroma=st.sampled_from(Chroma),
)
def test_every_shape_turn_and_fit_is_as_over_rgb(size, box, fit, how, orientation, subsampling, chroma):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    # Of middling colours: what RGB cannot hold is cut off ahead of the resize there, and behind it here.
    middling = photo(*size).point([64 + value // 2 for value in range(256)] * 3)
    data = file(middling, "JPEG", quality=97, subsampling=subsampling, exif=exif)
    way = small(resized(*box, fit, how), chroma=chroma)
    full = small(resized(*box, fit, Resample.BEST), chroma=chroma)
    one, other = both(data, way)[0]["out"], both(data, full)[1]["out"]
    assert (one.width, one.height) == (other.width, other.height)
    # Colours are enlarged after the resize instead of before it: seen where edges have single pixels.
    lightness = opened(one).convert("L"), opened(other).convert("L")
    assert difference(*lightness) < 3
    assert difference(opened(one), opened(other)) < 8


@pytest.mark.parametrize("size", [(1280, 800), (1283, 807), (1281, 801)], ids=str)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_decode_is_not_shifted(size, orientation):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    data = file(photo(*size), "JPEG", quality=97, exif=exif)
    ways = [
        Rendition(f"s{side}", Output(Format.JPEG, quality=97), (resized(side, side, how=Resample.FAST),))
        for side in (300, 151)
    ]
    direct = began(data, *ways)
    assert direct is not None
    assert direct.planes.size == chroma_size(size, (2, 2))
    one, other = both(data, *ways)
    for name, each in one.items():
        assert difference(opened(each), opened(other[name])) < 2, name


@pytest.mark.parametrize("size", [(64, 1), (1000, 900), (63, 5000), (512, 512)])
def test_no_side_gets_too_short_to_tell_by_how_much(size):
    for least in ((1, 1), (30, 30), (500, 300)):
        scale = reduction(size, least)
        assert scale == 1 or min(chroma_size(size, (scale, scale))) >= 64
        assert scale == 1 or all(own // scale >= few for own, few in zip(size, least, strict=True))


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (65500, 1), (1, 65500)], ids=str)
@pytest.mark.parametrize("subsampling", [0, 2])
def test_the_ends_of_what_can_be(size, subsampling):
    data = file(Image.new("RGB", size, "#c03060"), "JPEG", quality=97, subsampling=subsampling)
    for way in (small(resized(1, 1, Fit.FILL)), small(resized(*size))):
        one, other = (found["out"] for found in both(data, way))
        assert difference(opened(one), opened(other)) < 2


PHOTO = file(photo(), "JPEG", quality=95)
LEFT = [
    pytest.param(PHOTO, [small(Step(crop=Crop(10, 10, 0, 0)), resized(5, 5))], id="a step ahead"),
    pytest.param(PHOTO, [small(resized(50, 50), Step(pad=Pad(top=3)))], id="a step after"),
    pytest.param(PHOTO, [small(resized(50, 50, Fit.CONTAIN))], id="padding"),
    pytest.param(PHOTO, [small(metadata=Metadata.KEEP)], id="metadata"),
    pytest.param(PHOTO, [small(), rendition(resized(9, 9), name="png")], id="another format too"),
    pytest.param(
        PHOTO,
        [small(), Rendition("b", Output(Format.JPEG, chroma=Chroma.FULL), (resized(9, 9),))],
        id="two chromas",
    ),
    pytest.param(PHOTO, [Rendition("out", Output(Format.JPEG))], id="no resize"),
    pytest.param(file(photo()), [small()], id="no JPEG"),
    pytest.param(file(photo().convert("L"), "JPEG"), [small()], id="grey"),
    pytest.param(file(photo().convert("CMYK"), "JPEG"), [small()], id="CMYK"),
    pytest.param(file(photo(), "JPEG", keep_rgb=True), [small()], id="RGB kept"),
    pytest.param(PHOTO[:-900], [small()], id="cut"),
]


@pytest.mark.parametrize(("data", "ways"), LEFT)
def test_what_needs_more_is_left_to_the_usual_way(data, ways):
    assert began(data, *ways) is None


def test_a_profile_of_its_own_needs_rgb_and_srgb_does_not():
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert began(file(photo(), "JPEG", icc_profile=p3_like_profile()), small()) is None
    assert began(file(photo(), "JPEG", icc_profile=srgb), small()) is not None


def test_cut_files_are_refused_by_the_one_judge():
    with pytest.raises(ItemFailure) as refused:
        list(render(PHOTO[: len(PHOTO) // 2], (small(),), LIMITS, SIMD))
    assert refused.value.code is ItemCode.UNDECODABLE


def test_options_of_the_output_hold():
    data = file(photo(640, 480), "JPEG", quality=95)
    plain, fine, within = (
        both(data, small(resized(400, 400), **options))[0]["out"].data
        for options in ({}, {"progressive": True}, {"max_size": "4Ki"})
    )
    assert b"\xff\xc2" in fine
    assert b"\xff\xc2" not in plain
    assert len(within) <= 4096 < len(plain)
    assert not Image.open(io.BytesIO(plain)).getexif()


def test_facts_are_as_over_rgb():
    picture = Image.new("RGB", (320, 200), "#204060")
    picture.paste(photo(160, 100))
    data = file(picture, "JPEG", quality=95)
    found = [next(iter(render(data, (small(),), LIMITS, engine))) for engine in (SIMD, PILLOW)]
    hashes = [int(facts.perceptual_hash, 16) for facts in found]
    assert (hashes[0] ^ hashes[1]).bit_count() <= 2
    assert (found[0].width, found[0].height) == (found[1].width, found[1].height) == (320, 200)
    colours = [
        np.frombuffer(bytes.fromhex(facts.dominant_color[1:]), np.uint8).astype(int) for facts in found
    ]
    assert np.abs(colours[0] - colours[1]).max() <= 8


def test_without_the_library_pillow_does_the_work(monkeypatch):
    monkeypatch.setattr(turbojpeg, "LIBRARY", "libnosuch.so.0")
    engines._codec.cache_clear()
    try:
        assert engines._codec() is None
    finally:
        engines._codec.cache_clear()


def test_a_library_that_does_something_else_is_not_used(monkeypatch):
    monkeypatch.setattr(turbojpeg, "LIBRARY", "libc.so.6")
    with pytest.raises(OSError, match="has no function tjInit"):
        TurboJpeg()
    monkeypatch.undo()
    monkeypatch.setattr(TurboJpeg, "decode", lambda *_: None)
    with pytest.raises(OSError, match="failed its self-test"):
        TurboJpeg()


def test_planted_planes_that_change_places_are_seen():
    direct = began(PHOTO, small())
    assert direct is not None
    light, blue, red = direct.planes.images
    spoilt = Planes((light, red, blue), direct.planes.factors)
    assert SIMD.codec is not None
    made = Image.open(io.BytesIO(SIMD.codec.encode(spoilt, 95, progressive=False)))
    assert difference(made, photo()) > 10
