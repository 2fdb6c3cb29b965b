"""Watermarks: texts and images."""

import numpy as np
import pytest
from PIL import Image, features

from imagejob_contract.recipe import Gravity, Step, Watermark
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import watermark_image
from imagejob_processor.pixels.text import render_text
from unit.processor.images import difference, file, jpeg, made, photo

GREY = Image.new("RGB", (600, 400), "gray")

SCRIPTS = {
    "Latin": "© Zażółć gęślą jaźń, Ærøskøbing",
    "Greek": "δείγμα",
    "Cyrillic": "образец",
    "Hebrew": "דוגמה",
    "Arabic": "نموذج",
    "Armenian": "նմուշ",
    "Georgian": "ნიმუში",
    "signs": "→ ★ € ½ ♫ ✓",
}


def changed(*steps: Step, image: Image.Image = GREY) -> np.ndarray:
    """The positions of pixels that differ from grey."""
    return np.argwhere(np.asarray(made(file(image), *steps).convert("RGB"))[..., 0] != 128)


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_of_the_font_is_written(script):
    found = changed(Step(watermark=Watermark(text=SCRIPTS[script])))
    assert len(found) > 50
    assert (found[:, 1].max() - found[:, 1].min()) / len(SCRIPTS[script]) > 3, "one glyph beside the other"


@pytest.mark.parametrize("text", ["漢字", "नमूना", "샘플", "ok \U0010ffff"])
def test_a_script_that_it_lacks_is_refused(text):
    with pytest.raises(ItemFailure, match="has no glyph") as caught:
        changed(Step(watermark=Watermark(text=text)))
    assert caught.value.code is ItemCode.STEP_FAILED


def test_arabic_letters_are_joined():
    assert features.check("raqm"), "what shapes letters is in Pillow's own wheel"
    apart = sum(render_text(letter, 60).width for letter in "نموذج")
    assert render_text("نموذج", 60).width < apart * 0.85


@pytest.mark.parametrize(("percent", "height"), [(None, 20), (5, 20), (10, 40), (20, 80), (1, 4)])
def test_the_height_follows_the_scale(percent, height):
    found = changed(Step(watermark=Watermark(text="Ag", scale_percent=percent, opacity_percent=100)))
    tall = found[:, 0].max() - found[:, 0].min() + 1
    assert 0.7 * height - 1 <= tall <= 1.3 * height + 3


def test_a_scale_that_would_not_fit_is_less():
    found = changed(Step(watermark=Watermark(text="a long text " * 5, scale_percent=100)))
    assert found[:, 1].min() >= 0
    assert found[:, 1].max() < 600


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("size", [(600, 400), (401, 799), (200, 200)])
def test_a_tiled_mark_is_everywhere(mode, size):
    image = Image.new(mode, size, "gray")
    found = changed(Step(watermark=Watermark(text="Shop", tile=True, opacity_percent=100)), image=image)
    once = changed(Step(watermark=Watermark(text="Shop", opacity_percent=100)), image=image)
    assert len(found) > 4 * len(once)
    for axis, length in ((0, size[1]), (1, size[0])):
        quarters = np.histogram(found[:, axis], bins=4, range=(0, length))[0]
        assert quarters.min() > len(found) / 12, "no quarter of the picture is left out"


def test_a_tiled_mark_knows_no_gravity():
    one, other = (
        made(file(GREY), Step(watermark=Watermark(text="x", tile=True, gravity=gravity)))
        for gravity in (Gravity.NORTH, Gravity.SOUTH)
    )
    assert difference(one, other) == 0


def logo(size: tuple[int, int] = (80, 40)) -> Image.Image:
    """Red, with a transparent green hole that must not be visible."""
    image = Image.new("RGBA", size, (255, 0, 0, 255))
    image.paste((0, 255, 0, 0), (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
    return image


@pytest.fixture
def loaded_images():
    watermark_image.load_images(
        {
            "logo": file(logo()),
            "photo": jpeg(photo()),
            "junk": b"junk",
            "huge": file(Image.new("1", (3000, 2000))),
        }
    )
    yield
    watermark_image.load_images({})


def image_mark(key: str = "logo", **options: object) -> Step:
    return Step(watermark=Watermark(image=key, **{"opacity_percent": 100, **options}))


@pytest.mark.parametrize("gravity", list(Gravity))
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_an_image_is_where_it_should_be(loaded_images, gravity, mode):
    found = changed(image_mark(gravity=gravity), image=GREY.convert(mode))
    (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0)
    assert (right - left + 1, bottom - top + 1) == (100, 50), (
        "a quarter of the shorter side, in its own shape"
    )
    across = "West" if right < 300 else "East" if left > 300 else ""
    down = "North" if bottom < 200 else "South" if top > 200 else ""
    assert (down + across or "Center") == gravity


@pytest.mark.parametrize(("percent", "width"), [(10, 40), (50, 200), (95, 380), (100, 390)])
def test_an_image_follows_its_scale_as_far_as_it_fits(loaded_images, percent, width):
    found = changed(
        image_mark(scale_percent=percent, gravity=Gravity.CENTER), image=Image.new("RGB", (400, 400), "gray")
    )
    assert abs(found[:, 1].max() - found[:, 1].min() + 1 - min(width, 380)) <= 1


def test_what_is_clear_in_an_image_is_not_seen(loaded_images):
    image = np.asarray(made(file(GREY), image_mark(gravity=Gravity.CENTER))).astype(int)
    assert tuple(image[200, 300]) == (128, 128, 128)
    assert image[..., 1].max() <= 130, "no green came through the edge"
    assert image[..., 0].max() == 255


def test_an_image_follows_its_opacity_and_is_tiled(loaded_images):
    strong, weak = (difference(made(file(GREY), image_mark(opacity_percent=p)), GREY) for p in (100, 20))
    assert 0 < weak * 3 < strong
    assert len(changed(image_mark(tile=True))) > 4 * len(changed(image_mark()))


def test_a_grey_picture_takes_the_lightness_of_an_image(loaded_images):
    assert made(file(GREY.convert("L")), image_mark()).mode == "L"
    assert len(changed(image_mark("photo"))) > 1000


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("junk", "the watermark image 'junk' cannot be decoded; use a PNG, WebP, JPEG or GIF"),
        ("huge", "the watermark image 'huge' has 3000x2000 pixels, over the limit of 4000000"),
        ("other", "the watermark image 'other' is missing"),
    ],
)
def test_an_image_that_is_none_fails_the_item_and_names_the_step(loaded_images, key, says):
    with pytest.raises(ItemFailure, match=says) as caught:
        changed(image_mark(key))
    assert caught.value.code is ItemCode.STEP_FAILED
    assert "steps[0] (watermark)" in caught.value.message


def test_clear_parts_stay_clear_beside_the_mark():
    image = made(
        file(Image.new("RGBA", (200, 200), (0, 0, 0, 0))), Step(watermark=Watermark(text="x", tile=True))
    )
    alpha = np.asarray(image)[..., 3]
    assert (alpha == 0).any()
    assert alpha.max() <= 128
