"""The pipeline: outputs are upright, in sRGB and without metadata."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from imagejob_contract.output import FORMATS, Format
from imagejob_contract.recipe import Crop, Fit, Gravity, Rotate, Step, Watermark
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from unit.processor.images import (
    difference,
    file,
    jpeg,
    made,
    make,
    opened,
    photo,
    rendition,
    resized,
)

# How a picture has to be stored so that the orientation puts it upright again.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def oriented(orientation: int, form: str, image: Image.Image, **options: object) -> bytes:
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return file(image if turn is None else image.transpose(turn), form, exif=exif, **options)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("steps", [[], [resized(64, 64, Fit.COVER)]], ids=["as is", "cover"])
def test_every_orientation_comes_out_upright(orientation, form, steps):
    options = {"lossless": True} if form == "WEBP" else {} if form in ("PNG", "TIFF") else {"quality": 95}
    upright = made(file(photo()), *steps)
    assert difference(made(oriented(orientation, form, photo(), **options), *steps), upright) < 3


@pytest.mark.parametrize("orientation", range(2, 9))
def test_planted_a_sideways_picture_is_seen(orientation):
    sideways = photo(200, 200).transpose(STORED[orientation])
    assert difference(made(file(sideways)), made(file(photo(200, 200)))) > 20


@pytest.mark.parametrize("size", [(321, 201), (323, 203), (327, 207)])
@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_odd_sizes_are_not_shifted_by_a_reduced_decode(size, orientation):
    step = resized(40, 25, Fit.FILL)
    full = made(file(photo(*size)), step)
    assert difference(made(oriented(orientation, "JPEG", photo(*size), quality=98), step), full) < 1.5


def test_broken_exif_is_no_reason_to_refuse():
    assert (
        difference(made(file(photo(), "JPEG", quality=95, exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")), photo())
        < 3
    )


GREY = photo().convert("L")
ALPHA = Image.linear_gradient("L").resize((320, 200))


def with_alpha(image: Image.Image) -> Image.Image:
    image = image.copy()
    image.putalpha(ALPHA)
    return image


def sixteen_bit() -> bytes:
    return file(Image.fromarray((np.asarray(GREY).astype("<u2") * 257).astype("<u2")))


def transparent_palette() -> bytes:
    image = photo().quantize(64)
    return file(image, transparency=0)


MODES = [
    pytest.param(file(photo()), "RGB", photo(), id="PNG RGB"),
    pytest.param(file(with_alpha(photo())), "RGBA", None, id="PNG RGBA"),
    pytest.param(file(GREY), "L", GREY, id="PNG L"),
    pytest.param(file(with_alpha(GREY)), "RGBA", None, id="PNG LA"),
    pytest.param(sixteen_bit(), "L", GREY, id="PNG 16 bit"),
    pytest.param(
        file(Image.fromarray((np.asarray(GREY).astype("<u2") * 257).astype(">u2")), "TIFF"),
        "L",
        GREY,
        id="TIFF 16",
    ),
    pytest.param(file(photo().quantize(256)), "RGB", photo().quantize(256), id="PNG palette"),
    pytest.param(transparent_palette(), "RGBA", None, id="PNG palette with a clear entry"),
    pytest.param(file(photo(), transparency=(1, 2, 3)), "RGBA", photo(), id="PNG RGB with a clear colour"),
    pytest.param(file(GREY.convert("1")), "L", GREY.convert("1").convert("L"), id="PNG 1 bit"),
    pytest.param(jpeg(GREY), "L", GREY, id="JPEG grey"),
    pytest.param(jpeg(photo().convert("CMYK")), "RGB", photo(), id="JPEG CMYK"),
    pytest.param(file(photo().convert("CMYK"), "TIFF"), "RGB", photo(), id="TIFF CMYK"),
    pytest.param(file(photo(), "TIFF", compression="jpeg", quality=95), "RGB", photo(), id="TIFF JPEG"),
    pytest.param(file(photo(), "TIFF", compression="tiff_lzw"), "RGB", photo(), id="TIFF LZW"),
    pytest.param(file(photo(), "BMP"), "RGB", photo(), id="BMP"),
    pytest.param(file(photo().quantize(256), "GIF"), "RGB", photo().quantize(256), id="GIF"),
    pytest.param(file(photo(), "WEBP", quality=95), "RGB", photo(), id="WebP"),
    pytest.param(file(with_alpha(photo()), "WEBP", quality=95), "RGBA", None, id="WebP alpha"),
    pytest.param(file(photo(), "AVIF", quality=95), "RGB", photo(), id="AVIF"),
]


@pytest.mark.parametrize(("data", "mode", "expected"), MODES)
@pytest.mark.parametrize("steps", [[], [resized(100, 100)]], ids=["as is", "resized"])
def test_every_mode_is_read_right(data, mode, expected, steps):
    image = made(data, *steps)
    assert image.mode == mode
    if expected is not None:
        assert difference(image, made(file(expected.convert("RGB")), *steps)) < 4


@pytest.mark.parametrize(("data", "mode", "expected"), MODES)
@pytest.mark.parametrize("form", FORMATS)
def test_every_mode_can_be_written_in_every_format(data, mode, expected, form):
    out = opened(make(data, rendition(resized(60, 60), form=form))["out"])
    reference = made(data, resized(60, 60))
    if form is Format.JPEG and reference.mode == "RGBA":
        white = Image.new("RGBA", reference.size, "white")
        reference = Image.alpha_composite(white, reference)
    if form is Format.GIF and reference.mode == "RGBA":
        # It knows clear and solid, nothing in between.
        reference.putalpha(reference.getchannel("A").point(lambda value: 255 if value >= 128 else 0))
        out = out.convert("RGBA")
    if out.mode == reference.mode == "RGBA":
        background = Image.new("RGBA", out.size, "white")
        out, reference = (Image.alpha_composite(background, image) for image in (out, reference))
    assert difference(out, reference) < 9


def test_pixels_without_a_known_white_are_refused():
    floats = file(Image.fromarray(np.ones((4, 4), dtype=np.float32)), "TIFF")
    with pytest.raises(
        ItemFailure, match="TIFF with 32-bit floating-point grayscale is not supported"
    ) as caught:
        made(floats)
    assert caught.value.code is ItemCode.UNSUPPORTED_FORMAT


def test_transparent_edges_do_not_bleed():
    image = Image.new("RGBA", (200, 200), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 100, 200))
    small = np.asarray(made(file(image), resized(50, 50)))
    seen = small[small[..., 3] > 8]
    assert seen[:, 1].max() < 40, "invisible green came into the red"


def p3_like_profile() -> bytes:
    """A profile with the red and blue primaries of sRGB swapped, which clearly changes colours."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ", 128), profile.index(b"bXYZ", 128)
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    # Also another name, for an sRGB profile is rightly passed over.
    for name in (b"s\0R\0G\0B", b"sRGB"):
        profile = profile.replace(name, b"x" + name[1:])
    return bytes(profile)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("steps", [[], [resized(80, 80)]], ids=["as is", "resized"])
def test_the_profile_is_applied_and_left_out(form, steps):
    data = file(Image.new("RGB", (160, 100), (200, 30, 30)), form, icc_profile=p3_like_profile(), quality=95)
    image = made(data, *steps)
    red, _, blue = image.getpixel((10, 10))
    assert blue > 150 > 100 > red
    assert "icc_profile" not in image.info


def test_alpha_survives_a_profile():
    image = made(file(with_alpha(photo()), icc_profile=p3_like_profile()))
    assert difference(image.getchannel("A"), ALPHA) < 1


@pytest.mark.parametrize("profile", [b"junk" * 50, None], ids=["broken", "for CMYK pixels"])
def test_a_profile_that_does_not_fit_is_ignored(profile):
    data = (
        file(photo(), icc_profile=profile)
        if profile
        else jpeg(photo().convert("CMYK"), icc_profile=p3_like_profile())
    )
    assert difference(made(data), photo()) < 4


def pockets() -> dict[str, object]:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "SECRETMAKE"
    exif[ExifTags.Base.ImageDescription] = "SECRETPLACE"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSDateStamp] = "SECRETGPS"
    return {"exif": exif, "xmp": b"<x:xmpmeta>SECRETXMP</x:xmpmeta>", "icc_profile": p3_like_profile()}


def loaded(form: str) -> bytes:
    if form == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_text("Comment", "SECRETTEXT")
        return file(photo(), form, pnginfo=text, exif=pockets()["exif"], icc_profile=p3_like_profile())
    if form == "JPEG":
        return file(photo(), form, comment=b"SECRETCOMMENT", **pockets())
    return file(photo(), form, **pockets())


TIFF_LAYOUT = {256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 339}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("steps", [[], [resized(50, 50)]], ids=["as is", "resized"])
def test_nothing_but_pixels_is_in_an_output(source, form, steps):
    data = loaded(source)
    assert b"SECRET" in data
    encoded = make(data, rendition(*steps, form=form))["out"]
    image = opened(encoded)
    assert b"SECRET" not in encoded.data
    # TIFF says by the same tags how its pixels are stored.
    assert not (set(image.getexif()) - (TIFF_LAYOUT if form is Format.TIFF else set()))
    assert {"icc_profile", "exif", "xmp", "comment", "Comment", "XML:com.adobe.xmp"}.isdisjoint(image.info)


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_bytes_come_out_every_time(form):
    way = rendition(resized(90, 90), Step(watermark=Watermark(text="©")), form=form)
    assert make(jpeg(photo()), way)["out"] == make(jpeg(photo()), way)["out"]


def test_quality_has_an_effect():
    small, large = (
        make(jpeg(photo()), rendition(form=Format.JPEG, quality=quality))["out"] for quality in (20, 95)
    )
    assert len(small.data) < len(large.data)


def test_crop_takes_just_that():
    image = made(file(photo()), Step(crop=Crop(x=30, y=40, width=50, height=60)))
    assert difference(image, photo().crop((30, 40, 80, 100))) == 0


def test_rotate_is_clockwise():
    image = made(file(photo()), Step(rotate=Rotate(degrees=90)))
    assert image.size == (200, 320)
    # The upper left corner goes to the upper right.
    assert image.getpixel((199, 0)) == photo().getpixel((0, 0))


def test_steps_go_in_order():
    cut = Step(crop=Crop(x=0, y=0, width=100, height=50))
    turn = Step(rotate=Rotate(degrees=90))
    assert made(file(photo()), cut, turn).size == (50, 100)
    assert made(file(photo()), turn, cut).size == (100, 50)
    assert made(file(photo()), resized(160, 100), cut, resized(20, 20, Fit.FILL), turn).size == (20, 20)


def test_contain_pads_with_white():
    image = made(file(Image.new("RGB", (100, 50), "black")), resized(200, 200, Fit.CONTAIN))
    assert [image.getpixel((100, y)) for y in (0, 49, 50, 149, 150, 199)] == [(255,) * 3] * 2 + [
        (0,) * 3
    ] * 2 + [(255,) * 3] * 2


def test_contain_of_a_grey_picture():
    assert made(file(Image.new("L", (100, 50), 0)), resized(200, 200, Fit.CONTAIN)).getpixel((0, 0)) == 255


def mark_box(gravity: Gravity, mode: str = "RGB") -> tuple[int, int, int, int]:
    image = made(
        file(Image.new(mode, (600, 400), "gray")), Step(watermark=Watermark(text="Shop", gravity=gravity))
    )
    changed = np.argwhere(np.asarray(image.convert("RGB"))[..., 0] != 128)
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    return left, top, right, bottom


@pytest.mark.parametrize("gravity", list(Gravity))
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_the_watermark_is_where_it_should_be(gravity, mode):
    left, top, right, bottom = mark_box(gravity, mode)
    across = "West" if right < 300 else "East" if left > 300 else ""
    down = "North" if bottom < 200 else "South" if top > 200 else ""
    assert (down + across or "Center") == gravity
    assert 12 <= bottom - top <= 24, "about a twentieth of 400"


def test_the_watermark_follows_its_opacity():
    def strength(percent: int) -> float:
        mark = Step(watermark=Watermark(text="Shop", opacity_percent=percent))
        return difference(made(file(photo()), mark), photo())

    assert 0 < strength(10) < strength(50) < strength(100)


def test_the_watermark_of_one_rendition_is_not_in_another():
    mark = Step(watermark=Watermark(text="Shop", opacity_percent=100))
    plain = [rendition(resized(150, 150), name="large"), rendition(resized(50, 50), name="small")]
    marked = [rendition(resized(150, 150), mark, name="large"), rendition(resized(50, 50), name="small")]
    assert make(file(photo()), *plain)["small"] == make(file(photo()), *marked)["small"]


def test_a_long_text_is_made_to_fit():
    image = made(file(Image.new("RGB", (300, 300), "gray")), Step(watermark=Watermark(text="long text " * 4)))
    changed = np.argwhere(np.asarray(image)[..., 0] != 128)
    assert changed[:, 1].min() >= 0
    assert 200 < changed[:, 1].max() - changed[:, 1].min() < 300


def test_only_the_first_frame_counts():
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    data = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert made(data).getpixel((5, 5)) == (254, 0, 0) or made(data).getpixel((5, 5)) == (255, 0, 0)


def test_all_renditions_come_once():
    ways = [rendition(resized(side, side), name=f"s{side}") for side in (10, 160, 80, 20, 40, 150)]
    out = make(jpeg(photo()), *ways)
    assert {name: max(each.width, each.height) for name, each in out.items()} == {
        f"s{side}": side for side in (10, 160, 80, 20, 40, 150)
    }


def test_a_jpeg_with_another_picture_inside_is_one_picture():
    buffer = io.BytesIO()
    photo().save(buffer, "MPO", save_all=True, append_images=[GREY.convert("RGB")])
    assert difference(made(buffer.getvalue()), photo()) < 5
