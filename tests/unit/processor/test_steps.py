"""The image operations, one by one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from imagejob_contract.recipe import (
    Blur,
    Crop,
    Fit,
    Flatten,
    Flip,
    FocalPoint,
    Gravity,
    Grayscale,
    Pad,
    Resize,
    Sharpen,
    SmartCrop,
    Step,
)
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.steps.resize import place
from unit.processor.images import difference, file, made, photo

CORNERS = {
    Gravity.NORTH_WEST: (0, 0),
    Gravity.NORTH: (1, 0),
    Gravity.NORTH_EAST: (2, 0),
    Gravity.WEST: (0, 1),
    Gravity.CENTER: (1, 1),
    Gravity.EAST: (2, 1),
    Gravity.SOUTH_WEST: (0, 2),
    Gravity.SOUTH: (1, 2),
    Gravity.SOUTH_EAST: (2, 2),
}


def tiles() -> Image.Image:
    """Nine squares of nine greys, 100 pixels each, to detect which part was kept."""
    image = Image.new("RGB", (300, 300))
    for gravity, (column, row) in CORNERS.items():
        grey = (list(CORNERS).index(gravity) + 1) * 25
        image.paste((grey, grey, grey), (column * 100, row * 100, column * 100 + 100, row * 100 + 100))
    return image


def grey_of(gravity: Gravity) -> int:
    return (list(CORNERS).index(gravity) + 1) * 25


def resize(**options: object) -> Step:
    return Step(resize=Resize(**options))


@pytest.mark.parametrize("gravity", list(Gravity))
def test_crop_by_gravity_keeps_that_part(gravity):
    image = made(file(tiles()), Step(crop=Crop(width=80, height=80, gravity=gravity)))
    assert image.getpixel((40, 40)) == (grey_of(gravity),) * 3


@pytest.mark.parametrize(
    ("gravity", "kept"), [(Gravity.NORTH, 0), (Gravity.CENTER, 1), (Gravity.SOUTH_EAST, 2), (None, 1)]
)
def test_cover_keeps_what_its_gravity_says(gravity, kept):
    wide = made(file(tiles()), resize(width=300, height=100, fit=Fit.COVER, gravity=gravity))
    assert wide.getpixel((150, 50))[0] == grey_of(list(CORNERS)[kept * 3 + 1])


@pytest.mark.parametrize(("percent", "row"), [(0, 0), (17, 0), (50, 1), (83, 2), (100, 2)])
def test_cover_keeps_the_focal_point(percent, row):
    step = resize(width=300, height=100, fit=Fit.COVER, focal_point=FocalPoint(50, percent))
    assert made(file(tiles()), step).getpixel((150, 50))[0] == grey_of(list(CORNERS)[row * 3 + 1])


@pytest.mark.parametrize("gravity", list(Gravity))
def test_contain_puts_the_picture_where_its_gravity_says(gravity):
    step = resize(width=90, height=30, fit=Fit.CONTAIN, gravity=gravity, background="#ff0000")
    image = np.asarray(made(file(Image.new("RGB", (10, 10), "blue")), step))
    columns = np.argwhere((image == (0, 0, 255)).all(axis=2))[:, 1]
    assert (columns.min(), columns.max()) == {0: (0, 29), 1: (30, 59), 2: (60, 89)}[CORNERS[gravity][0]]


def scene(x: int, y: int) -> Image.Image:
    """A flat wall with something red and busy on it, 90 pixels wide, round `x`, `y`."""
    image = Image.new("RGB", (600, 400), (120, 140, 160))
    noise = Image.effect_noise((90, 90), 120).point(lambda value: value // 2)
    image.paste(Image.merge("RGB", (Image.new("L", (90, 90), 255), noise, noise)), (x - 45, y - 45))
    return image


def red(image: Image.Image) -> float:
    """The share of the image that the subject covers."""
    return float((np.asarray(image)[..., 0] > 200).mean())


@pytest.mark.parametrize("smart", list(SmartCrop))
@pytest.mark.parametrize(("x", "y"), [(60, 60), (540, 340), (300, 200), (60, 340)])
def test_smart_crop_keeps_the_detail(smart, x, y):
    data = file(scene(x, y))
    kept = 90 * 90 * 0.9
    for step, area in (
        (Step(crop=Crop(width=120, height=120, smart_crop=smart)), 120 * 120),
        (resize(width=80, height=80, fit=Fit.COVER, smart_crop=smart), 400 * 400),
        (resize(width=40, height=120, fit=Fit.COVER, smart_crop=smart), 400 * 400 / 3),
    ):
        assert red(made(data, step)) > kept / area


@pytest.mark.parametrize("smart", list(SmartCrop))
def test_planted_a_crop_of_the_middle_misses_it(smart):
    centred = made(file(scene(60, 60)), Step(crop=Crop(width=120, height=120, gravity=Gravity.CENTER)))
    assert red(centred) == 0


@pytest.mark.parametrize("smart", list(SmartCrop))
def test_smart_crop_of_nothing_is_the_middle(smart):
    flat = Image.new("RGB", (300, 100), "gray")
    ImageDraw.Draw(flat).point((150, 50), "gray")
    image = made(file(flat), resize(width=50, height=50, fit=Fit.COVER, smart_crop=smart))
    assert image.size == (50, 50)


side = st.integers(1, 400)
fits = st.sampled_from(Fit)


@settings(max_examples=300, deadline=None)
@given(fit=fits, box=st.tuples(side, side), size=st.tuples(side, side), no_upscale=st.booleans())
def test_sizes_are_as_the_fit_says(fit, box, size, no_upscale):
    placed = place(Resize(width=box[0], height=box[1], fit=fit, no_upscale=no_upscale), size)
    width, height = placed.canvas
    left, top, right, bottom = placed.box
    assert 0 <= left < right <= size[0] + 1e-6
    assert 0 <= top < bottom <= size[1] + 1e-6
    if fit is Fit.INSIDE:
        assert (width, height) == size or min(box[0] - width, box[1] - height) == 0
        assert max(width - size[0], height - size[1], width - box[0], height - box[1]) <= 0
    if fit is Fit.CONTAIN or (not no_upscale and fit in (Fit.COVER, Fit.FILL)):
        assert placed.canvas == box
    if fit is Fit.OUTSIDE and not no_upscale:
        assert min(width - box[0], height - box[1]) == 0
    if no_upscale:
        assert placed.size[0] <= size[0]
        assert placed.size[1] <= size[1]
    if no_upscale and fit is Fit.COVER:
        # The same shape, as nearly as whole pixels allow.
        assert abs(width * box[1] - height * box[0]) <= max(box) * 1.01


@settings(max_examples=60, deadline=None)
@given(box=st.tuples(side, side), size=st.tuples(side, side), smart=st.sampled_from([None, *SmartCrop]))
def test_cover_gives_what_was_planned(box, size, smart):
    step = resize(width=box[0], height=box[1], fit=Fit.COVER, smart_crop=smart)
    assert made(file(Image.new("L", size)), step).size == box


def test_inside_is_idempotent():
    once = made(file(photo()), resize(width=100, height=100))
    assert difference(made(file(once), resize(width=100, height=100)), once) == 0


def test_flip_mirrors():
    corner = photo().getpixel((0, 0))
    assert made(file(photo()), Step(flip=Flip("Horizontal"))).getpixel((319, 0)) == corner
    assert made(file(photo()), Step(flip=Flip("Vertical"))).getpixel((0, 199)) == corner
    twice = made(file(photo()), Step(flip=Flip("Vertical")), Step(flip=Flip("Vertical")))
    assert difference(twice, photo()) == 0


@pytest.mark.parametrize(
    ("mode", "background", "becomes", "seen"),
    [
        ("RGB", None, "RGB", (255, 255, 255)),
        ("L", None, "L", 255),
        ("L", "#102030", "RGB", (16, 32, 48)),
        ("L", "#101010", "L", 16),
        ("RGB", "#10203080", "RGBA", (16, 32, 48, 128)),
        ("RGB", "#102030ff", "RGB", (16, 32, 48)),
        ("RGBA", "#102030", "RGBA", (16, 32, 48, 255)),
    ],
)
def test_pad_adds_a_margin(mode, background, becomes, seen):
    source = Image.new(mode, (10, 20), "black")
    image = made(file(source), Step(pad=Pad(top=1, right=2, bottom=3, left=4, background=background)))
    assert image.mode == becomes
    assert image.size == (16, 24)
    assert image.getpixel((0, 0)) == image.getpixel((15, 23)) == seen
    inner = image.crop((4, 1, 14, 21)).convert("L")
    assert inner.getextrema() == (0, 0)
    assert image.getpixel((3, 10)) == image.getpixel((14, 10)) == seen


def test_flatten_leaves_nothing_clear():
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    image.putpixel((1, 1), (255, 0, 0, 255))
    flat = made(file(image), Step(flatten=Flatten("#00ff00")))
    assert flat.mode == "RGB"
    assert (flat.getpixel((0, 0)), flat.getpixel((1, 1))) == ((0, 255, 0), (255, 0, 0))
    assert difference(made(file(photo()), Step(flatten=Flatten("#00ff00"))), photo()) == 0


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_grayscale_keeps_the_lightness(mode):
    source = photo().convert(mode)
    image = made(file(source), Step(grayscale=Grayscale()))
    assert image.mode == ("RGBA" if mode == "RGBA" else "L")
    assert difference(image.convert("L"), photo().convert("L")) < 1


def sharpness(image: Image.Image) -> float:
    return float(np.asarray(image.convert("L").filter(ImageFilter.FIND_EDGES), dtype=float).std())


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_sharpen_and_blur_do_what_they_say(mode):
    source = tiles().convert(mode)
    plain = sharpness(source)
    for step, sign in (
        (Step(sharpen=Sharpen()), 1),
        (Step(sharpen=Sharpen(amount_percent=300, radius_pixels=3)), 1),
        (Step(blur=Blur(radius_pixels=2)), -1),
    ):
        image = made(file(source), step)
        assert image.mode == mode
        assert (sharpness(image) - plain) * sign > 0


def test_a_high_threshold_sharpens_nothing():
    step = Step(sharpen=Sharpen(threshold=255))
    assert difference(made(file(photo()), step), photo()) == 0


def test_what_is_clear_does_not_bleed_when_blurred():
    image = Image.new("RGBA", (100, 40), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 50, 40))
    seen = np.asarray(made(file(image), Step(blur=Blur(radius_pixels=5))))
    assert seen[seen[..., 3] > 8][:, 1].max() < 40


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Step(crop=Crop(width=400, height=10, gravity=Gravity.EAST)), "400x10 is not inside"),
        (Step(crop=Crop(width=10, height=300, smart_crop=SmartCrop.EDGES)), "10x300 is not inside"),
        (Step(pad=Pad(left=16384, top=16384)), "over the limit of 50000000"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_decode(step, says):
    with pytest.raises(ItemFailure, match=says) as caught:
        made(file(photo())[:200], step)
    assert caught.value.code is ItemCode.STEP_FAILED
