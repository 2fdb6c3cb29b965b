"""Facts about an image."""

import base64

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from skimage import data as samples

from imagejob_contract.result import (
    ImageFacts,
    ItemCode,
    ItemError,
    ItemResult,
    Result,
    decode_result,
    encode_result,
)
from imagejob_processor.child_process.protocol import Done, decode_reply, encode
from imagejob_processor.rendering.image_facts import difference_hash, thumb_hash
from imagejob_processor.rendering.pipeline import render
from unit.processor.images import LIMITS, file, jpeg, photo, rendition, resized

CAT = Image.fromarray(samples.chelsea())
ASTRONAUT = Image.fromarray(samples.astronaut())


def facts(data: bytes, *steps: object) -> ImageFacts:
    first = next(iter(render(data, (rendition(*steps),), LIMITS)))
    assert isinstance(first, ImageFacts)
    return first


def distance(one: ImageFacts, other: ImageFacts) -> int:
    return (int(one.perceptual_hash, 16) ^ int(other.perceptual_hash, 16)).bit_count()


def test_copies_look_alike_and_others_do_not():
    cat = facts(file(CAT))
    copies = [
        facts(jpeg(CAT)),
        facts(file(CAT, "JPEG", quality=30)),
        facts(file(CAT.resize((200, 133)), "WEBP")),
        facts(file(ImageEnhance.Brightness(CAT).enhance(0.9))),
        facts(jpeg(CAT.resize((1800, 1200))), resized(100, 100)),
    ]
    assert max(distance(cat, copy) for copy in copies) <= 6
    for other in (ASTRONAUT, photo(), CAT.transpose(Image.Transpose.FLIP_LEFT_RIGHT)):
        assert distance(cat, facts(file(other))) > 12


def test_the_size_is_that_of_the_upright_picture():
    exif = Image.Exif()
    exif[274] = 6
    seen = facts(file(photo(), "JPEG", exif=exif))
    assert (seen.format, seen.width, seen.height) == ("JPEG", 200, 320)


@pytest.mark.parametrize("size", [(65536, 2), (2, 70000), (300_000, 1)], ids=str)
def test_a_side_may_be_longer_than_that_of_any_output(size):
    seen = facts(file(Image.new("L", size, 90)), resized(100, 100))
    assert (seen.width, seen.height) == size
    assert decode_reply(encode(Done(None, seen))) == Done(None, seen)
    line = ItemResult(0, error=ItemError(ItemCode.TIMED_OUT, ""), image=seen)
    assert decode_result(encode_result(Result(1, 0, 1, (line,))), 1, 1).items == (line,)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "CMYK", "LAB"])
@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (33, 31)])
def test_any_picture_has_facts(mode, size):
    form = "PNG" if mode in ("RGB", "RGBA", "L") else "TIFF"
    seen = facts(file(Image.new(mode, size), form))
    assert len(seen.thumb_hash) <= 40
    assert (seen.width, seen.height) == size


@pytest.mark.parametrize("colour", [(255, 0, 0), (20, 40, 200), (250, 250, 250)])
def test_the_dominant_colour_is_that_of_most_of_the_picture(colour):
    image = Image.new("RGB", (100, 100), colour)
    image.paste(Image.effect_noise((30, 30), 90).convert("RGB"), (10, 10))
    found = bytes.fromhex(facts(file(image)).dominant_color[1:])
    assert max(abs(a - b) for a, b in zip(found, colour, strict=True)) <= 12


def decoded_mean(data: bytes) -> tuple[float, float, float]:
    """The mean colour of a ThumbHash."""
    head = int.from_bytes(data[:3], "little")
    light, yellow, red = (head & 63) / 63, (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1
    blue = light - 2 / 3 * yellow
    r = (3 * light - blue + red) / 2
    return r, r - red, blue


@pytest.mark.parametrize("image", [CAT, ASTRONAUT, photo()], ids=["cat", "astronaut", "photo"])
def test_a_thumb_hash_has_mean_colour_and_shape(image):
    small = image.resize((32, max(1, round(32 * image.height / image.width))), Image.Resampling.BOX)
    data = thumb_hash(small.convert("RGBA"))
    mean = np.asarray(small, dtype=float).mean(axis=(0, 1)) / 255
    assert max(abs(a - b) for a, b in zip(decoded_mean(data), mean, strict=True)) < 0.06
    tail = int.from_bytes(data[3:5], "little")
    landscape, count = tail >> 15, tail & 7
    shape = 7 / count if landscape else count / 7
    assert abs(shape - image.width / image.height) < 0.25
    assert len(data) <= 25


def test_a_clear_picture_says_so():
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    image.paste((0, 255, 0, 255), (0, 0, 10, 20))
    data = base64.b64decode(facts(file(image)).thumb_hash)
    assert data[2] >> 7 == 1
    assert 5 <= data[5] & 15 <= 10, "half of it is solid"


def test_planted_a_hash_without_information_is_found():
    assert difference_hash(Image.new("L", (9, 8), 99)) == "0" * 16
