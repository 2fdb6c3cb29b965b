"""Golden tests: the pipeline's outputs of real photos equal those of a full decode and one Lanczos resize.

The reference is computed here, in the plain way, and the pipeline's shortcuts must give the same.
Pictures are compared by their decoded pixels, never by bytes, which change with every encoder.
"""

import functools
import io

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data as samples
from skimage.metrics import structural_similarity
from sklearn.datasets import load_sample_image

from imagejob_contract.order import EngineName
from imagejob_contract.output import Format
from imagejob_contract.recipe import Fit, Rendition, Resample
from imagejob_processor.pixels.resampling import Engine, load_engine
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.rendering.pipeline import render
from imagejob_processor.rendering.plan import DRAFT_MARGINS
from unit.processor.images import LIMITS, file, rendition, resized

PHOTOS = {
    "china": lambda: load_sample_image("china.jpg"),
    "flower": lambda: load_sample_image("flower.jpg"),
    "astronaut": samples.astronaut,
    "coffee": samples.coffee,
    "cat": samples.chelsea,
    "camera": samples.camera,
}
ENGINES = list(EngineName)
LIKENESS = 0.98
ZONE_PLATE_LIKENESS = 0.95
# What an encoder at its default quality may cost on top, in lightness: colours are halved in number anyway.
LOSSY_LIKENESS = 0.93


@functools.cache
def photo(name: str, factor: int = 1) -> Image.Image:
    image = Image.fromarray(PHOTOS[name]()).convert("RGB")
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.BICUBIC)


@functools.cache
def source(name: str, form: str, factor: int = 1) -> bytes:
    options = {"JPEG": {"quality": 92}, "PNG": {}, "WEBP": {"lossless": True, "method": 0}, "TIFF": {}}[form]
    return file(photo(name, factor), form, **options)


def zone_plate(side: int = 1600) -> Image.Image:
    """Rings with a growing frequency, which show aliasing."""
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j]
    rings = 127.5 + 127.5 * np.cos(side * np.pi / 2 * 0.9 * (x**2 + y**2) / 2)
    return Image.fromarray(rings.astype(np.uint8)).convert("RGB")


@functools.cache
def reference(data: bytes, size: tuple[int, int], fit: Fit = Fit.INSIDE) -> Image.Image:
    image = Image.open(io.BytesIO(data)).convert("RGB")
    if fit is Fit.COVER:
        return ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    return image.resize(size, Image.Resampling.LANCZOS)


def likeness(one: Image.Image, other: Image.Image) -> float:
    """SSIM of the colours, -1..1; sizes must be the same."""
    assert one.size == other.size
    pair = (np.asarray(one.convert("RGB")), np.asarray(other.convert("RGB")))
    return float(structural_similarity(*pair, channel_axis=2, data_range=255, win_size=7))


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    found = load_engine(request.param)
    assert found.name is request.param, "the engine is not installed here, or does not work"
    return found


def made(data: bytes, engine: Engine, *ways: Rendition) -> dict[str, Image.Image]:
    found = render(data, ways, LIMITS, engine)
    return {
        each.rendition: Image.open(io.BytesIO(each.data))
        for each in found
        if isinstance(each, EncodedRendition)
    }


@pytest.mark.parametrize(
    ("name", "form"),
    [*((name, "PNG") for name in PHOTOS), ("china", "JPEG"), ("china", "WEBP"), ("china", "TIFF")],
)
def test_every_rendition_of_a_chain_is_like_the_reference(name, form, engine):
    data = source(name, form)
    sides = (400, 320, 200, 150, 100, 64, 32)
    out = made(data, engine, *(rendition(resized(side, side), name=f"s{side}") for side in sides))
    for image in out.values():
        assert likeness(image, reference(data, image.size)) >= LIKENESS, image.size


@pytest.mark.parametrize("how", Resample)
@pytest.mark.parametrize("name", ["china", "camera"])
@pytest.mark.parametrize("side", [1000, 640, 200], ids=str)
def test_a_reduced_decode_is_like_the_reference(name, side, how, engine):
    data = source(name, "JPEG", factor=4)
    (image,) = made(data, engine, rendition(resized(side, side, how=how))).values()
    assert likeness(image, reference(data, image.size)) >= LIKENESS


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("divisor", [2, 4, 8])
def test_the_hardest_case_where_the_decoder_does_most_of_the_reduction(name, divisor, engine):
    data = source(name, "JPEG", factor=2)
    width, height = (int(side / divisor / DRAFT_MARGINS[Resample.FAST]) for side in photo(name, 2).size)
    (image,) = made(data, engine, rendition(resized(width, height, Fit.FILL, Resample.FAST))).values()
    assert likeness(image, reference(data, image.size)) >= LIKENESS


@pytest.mark.parametrize("name", PHOTOS)
@pytest.mark.parametrize("size", [(200, 200), (300, 100), (64, 128)])
def test_cover_is_like_the_reference(name, size, engine):
    data = source(name, "JPEG")
    ways = (rendition(resized(400, 400), name="large"), rendition(resized(*size, Fit.COVER), name="cover"))
    assert likeness(made(data, engine, *ways)["cover"], reference(data, size, Fit.COVER)) >= LIKENESS


@pytest.mark.parametrize(
    ("form", "sides"),
    [
        pytest.param("PNG", (800, 600, 300, 100), id="PNG"),
        pytest.param("JPEG", (1200, 640, 320, 80), id="JPEG, as 4000 to 1600, 800 and 200"),
        # The least that a reduced decode is allowed for, at a half and at a quarter.
        pytest.param("JPEG", (266,), id="JPEG, decoded at a half"),
        pytest.param("JPEG", (133,), id="JPEG, decoded at a quarter"),
    ],
)
@pytest.mark.parametrize("how", [Resample.BALANCED, Resample.BEST])
def test_fine_rings_do_not_become_false_ones(form, sides, how, engine):
    data = file(zone_plate(), form, **({"quality": 98, "subsampling": 0} if form == "JPEG" else {}))
    out = made(data, engine, *(rendition(resized(side, side, how=how), name=f"s{side}") for side in sides))
    for image in out.values():
        assert likeness(image, reference(data, image.size)) >= ZONE_PLATE_LIKENESS, image.size


@pytest.mark.parametrize("form", [Format.JPEG, Format.WEBP, Format.AVIF])
@pytest.mark.parametrize("name", PHOTOS)
def test_default_qualities_look_right(form, name, engine):
    data = source(name, "PNG")
    (image,) = made(data, engine, rendition(resized(320, 320), form=form)).values()
    lightness = image.convert("L"), reference(data, image.size).convert("L")
    assert likeness(*lightness) >= LOSSY_LIKENESS


def test_the_rings_tell_a_reduced_decode_that_goes_too_far(engine):
    """What Fast is for and what it costs: the test above is one that can fail."""
    data = file(zone_plate(), "JPEG", quality=98, subsampling=0)
    (image,) = made(data, engine, rendition(resized(640, 640, how=Resample.FAST))).values()
    assert likeness(image, reference(data, image.size)) < 0.7


def test_planted_a_resize_without_a_filter_is_seen():
    plate = zone_plate()
    crude = plate.resize((300, 300), Image.Resampling.NEAREST)
    assert likeness(crude, reference(file(plate), (300, 300))) < 0.7
    china = photo("china")
    assert (
        likeness(china.resize((100, 67), Image.Resampling.NEAREST), reference(file(china), (100, 67))) < 0.95
    )


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda image: image.transpose(Image.Transpose.ROTATE_180), id="upside down"),
        pytest.param(lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT), id="mirrored"),
        pytest.param(lambda image: Image.merge("RGB", image.split()[::-1]), id="red for blue"),
        pytest.param(
            lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0, 1, 0, 1, 0)),
            id="shifted",
        ),
        pytest.param(lambda image: image.resize((80, 80)).resize(image.size), id="blurred"),
    ],
)
def test_planted_a_spoilt_picture_is_seen(spoil):
    good = reference(source("china", "PNG"), (320, 214))
    assert likeness(good, good) == pytest.approx(1)
    assert likeness(spoil(good), good) < LIKENESS
