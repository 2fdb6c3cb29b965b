"""Output options."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data as samples

from imagejob_contract.output import Chroma, Compression, Format, Output
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import encode
from unit.processor.images import difference, photo

ASTRONAUT = Image.fromarray(samples.astronaut()).resize((256, 256))


def written(image: Image.Image, form: Format, **options: object) -> tuple[bytes, Image.Image]:
    data = encode.encode(image, Output(form, **options))
    back = Image.open(io.BytesIO(data))
    back.load()
    return data, back


def worst(one: Image.Image, other: Image.Image) -> int:
    pair = [np.asarray(image.convert("RGBA"), dtype=int) for image in (one, other)]
    return int(np.abs(pair[0] - pair[1]).max())


def see_through(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def test_progressive_is_progressive():
    assert "progressive" not in written(photo(), Format.JPEG)[1].info
    assert "progressive" in written(photo(), Format.JPEG, progressive=True)[1].info


SAMPLING = {None: (2, 2), Chroma.QUARTER: (2, 2), Chroma.HALF: (2, 1), Chroma.FULL: (1, 1)}


@pytest.mark.parametrize(("chroma", "factors"), SAMPLING.items())
def test_chroma_of_jpeg(chroma, factors):
    _, image = written(photo(), Format.JPEG, chroma=chroma)
    assert tuple(image.layer[0][1:3]) == factors


def test_chroma_of_avif_keeps_red_edges():
    edges = Image.fromarray(np.indices((64, 64)).sum(axis=0).astype(np.uint8) % 2 * 255).convert("L")
    red = Image.merge("RGB", (edges, Image.new("L", (64, 64)), Image.new("L", (64, 64))))
    full, quarter = (
        difference(written(red, Format.AVIF, quality=95, chroma=chroma)[1], red)
        for chroma in (Chroma.FULL, Chroma.QUARTER)
    )
    assert full * 3 < quarter


@pytest.mark.parametrize(
    "make", [lambda i: i, see_through, lambda i: i.convert("L")], ids=["RGB", "RGBA", "L"]
)
def test_lossless_is_lossless_and_near_is_near(make):
    image = make(ASTRONAUT)
    exact, near, lossy = (
        written(image, Format.WEBP, compression=way)
        for way in (Compression.LOSSLESS, Compression.NEAR_LOSSLESS, Compression.LOSSY)
    )
    assert worst(exact[1], image) == 0
    seen = [np.asarray(each.convert("RGBA"), dtype=int) for each in (near[1], image)]
    visible = seen[1][..., 3] > 0
    assert 0 < np.abs(seen[0] - seen[1])[visible].max() <= 1
    assert len(lossy[0]) < len(near[0]) < len(exact[0]) * 0.9
    assert written(image, Format.WEBP)[0] == lossy[0]


def test_near_lossless_keeps_white():
    white = Image.new("RGB", (8, 8), "white")
    assert worst(written(white, Format.WEBP, compression=Compression.NEAR_LOSSLESS)[1], white) == 0


def test_speed_has_an_effect():
    assert len(written(ASTRONAUT, Format.AVIF, speed=6)[0]) != len(
        written(ASTRONAUT, Format.AVIF, speed=10)[0]
    )
    assert written(ASTRONAUT, Format.AVIF)[0] == written(ASTRONAUT, Format.AVIF, speed=8)[0]


@pytest.mark.parametrize("colours", [2, 16, 256])
@pytest.mark.parametrize("form", [Format.PNG, Format.GIF])
@pytest.mark.parametrize("clear", [False, True])
def test_a_palette_has_so_many_colours_at_most(colours, form, clear):
    source = see_through(ASTRONAUT) if clear else ASTRONAUT
    data, image = written(source, form, colors=colours)
    assert image.mode in ("P", "1", "L")
    assert len(image.getcolors(300)) <= colours
    assert ("transparency" in image.info) == clear
    if form is Format.PNG:
        assert len(data) < len(written(source, form)[0])


@pytest.mark.parametrize("form", [Format.PNG, Format.GIF])
def test_a_large_picture_of_few_colours_keeps_them(form):
    image = Image.new("RGB", (1001, 1001), "white")
    image.paste((255, 0, 0), (0, 8, 1001, 9))
    image.paste((0, 0, 255), (8, 0, 9, 1001))
    assert worst(written(image, form, colors=256)[1], image) == 0


@pytest.mark.parametrize("size", [(16, 16), (1200, 900)])
def test_few_colours_of_any_transparency_stay_exact(size):
    image = Image.new("RGBA", size)
    image.paste((200, 30, 30, 1), (0, 0, size[0], 2))
    for column in range(16):
        for row in range(4, 16):
            image.putpixel((column, row), (column * 17, row * 3, 251, row * 17))
    data, made = written(image, Format.PNG, colors=256)
    assert made.mode == "P"
    assert made.convert("RGBA").tobytes() == image.tobytes()
    assert written(image, Format.PNG, colors=16)[1].convert("RGBA").tobytes() != image.tobytes()
    assert data == written(image, Format.PNG, colors=256)[0]


@pytest.mark.parametrize("colours", [2, 16, 255])
@pytest.mark.parametrize("form", [Format.PNG, Format.GIF])
def test_the_palette_of_a_large_picture_is_as_good(colours, form):
    large = ASTRONAUT.resize((1200, 1000))
    _, image = written(large, form, colors=colours)
    assert len(image.getcolors(300)) <= colours
    plain = large.quantize(colours, method=Image.Quantize.MEDIANCUT)
    assert difference(image, large) < difference(plain, large) * 1.3 + 1


def test_a_gif_is_clear_where_the_picture_is_more_clear_than_solid():
    alpha = np.asarray(written(see_through(ASTRONAUT), Format.GIF)[1].convert("RGBA"))[..., 3]
    wanted = np.asarray(see_through(ASTRONAUT))[..., 3] >= 128
    assert (alpha == wanted * 255).all()


@pytest.mark.parametrize(
    "make", [lambda i: i, see_through, lambda i: i.convert("L")], ids=["RGB", "RGBA", "L"]
)
def test_tiff_and_png_are_exact(make):
    image = make(ASTRONAUT)
    for form in (Format.TIFF, Format.PNG):
        assert worst(written(image, form)[1], image) == 0


@pytest.mark.parametrize("form", [Format.JPEG, Format.WEBP, Format.AVIF])
def test_max_size_takes_the_best_quality_that_fits(form):
    speed = {"speed": 10} if form is Format.AVIF else {}
    by_quality = {q: len(written(ASTRONAUT, form, quality=q, **speed)[0]) for q in (30, 31, 70)}
    most = (by_quality[30] + by_quality[31]) // 2
    data = written(ASTRONAUT, form, quality=70, max_size=str(most), **speed)[0]
    assert by_quality[30] <= len(data) <= most < by_quality[70]


def test_max_size_that_is_met_changes_nothing():
    assert written(photo(), Format.JPEG, max_size="1Mi")[0] == written(photo(), Format.JPEG)[0]


@pytest.mark.parametrize("quality", [None, 5, 10, 11])
def test_max_size_out_of_reach_is_refused(quality):
    with pytest.raises(ItemFailure, match=r"bytes at quality \d+, over the maxSize of 600") as caught:
        written(ASTRONAUT, Format.JPEG, max_size="600", quality=quality)
    assert caught.value.code is ItemCode.OUTPUT_TOO_LARGE
