"""Animations: all frames with their durations, or the first frame only."""

import io

import pytest
from PIL import Image, ImageSequence

from golden.animations import shown
from imagejob_contract.output import Animation, Compression, Format, Output
from imagejob_contract.recipe import Fit, Grayscale, Pad, Rendition, Step, Watermark
from imagejob_contract.recipe_rules import violations
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from unit.processor.images import difference, file, limits, made, make, photo, resized

TIMES = [40, 200, 100, 70]
FRAMES = [
    photo(120, 80).rotate(90 * number, translate=(5 * number, 0)).convert("RGB")
    for number in range(len(TIMES))
]
MOVING = [Format.GIF, Format.WEBP, Format.PNG, Format.AVIF]
LOSSLESS = {Format.WEBP: {"compression": Compression.LOSSLESS}, Format.AVIF: {"quality": 95, "speed": 10}}


def animation(form: str, frames: list[Image.Image] = FRAMES, **options: object) -> bytes:
    times = TIMES[: len(frames)]
    way = {"lossless": True} if form == "WEBP" else {"speed": 10, "quality": 95} if form == "AVIF" else {}
    return file(frames[0], form, save_all=True, append_images=frames[1:], duration=times, **way, **options)


def way(form: Format, *steps: Step, name: str = "out", every: bool = True, **options: object) -> Rendition:
    which = Animation.ALL if every else Animation.FIRST
    return Rendition(name, Output(form, animation=which, **options), steps)


def played(data: bytes) -> tuple[list[Image.Image], list[int], Image.Image]:
    image = Image.open(io.BytesIO(data))
    frames, times = [], []
    for frame in ImageSequence.Iterator(image):
        frames.append(frame.convert("RGBA"))
        times.append(image.info["duration"])
    return frames, times, image


@pytest.mark.parametrize("source", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("form", MOVING)
def test_every_frame_is_there_with_its_time(source, form):
    frames, times, _ = played(make(animation(source), way(form, **LOSSLESS.get(form, {})))["out"].data)
    assert times == TIMES
    for frame, wanted in zip(frames, FRAMES, strict=True):
        assert difference(frame, wanted) < 8


@pytest.mark.parametrize("form", MOVING)
def test_each_frame_goes_through_the_steps(form):
    steps = (
        resized(40, 40, Fit.COVER),
        Step(watermark=Watermark(text="x", opacity_percent=100)),
        Step(pad=Pad(left=3, background="#ff0000")),
    )
    encoded = make(animation("WEBP"), way(form, *steps))["out"]
    frames, _, _ = played(encoded.data)
    assert (encoded.width, encoded.height) == frames[0].size == (43, 40)
    for frame, wanted in zip(frames, FRAMES, strict=True):
        assert difference(frame, made(file(wanted), *steps)) < 10


def test_first_is_one_picture():
    for form in MOVING:
        image = Image.open(io.BytesIO(make(animation("GIF"), way(form, every=False))["out"].data))
        assert getattr(image, "n_frames", 1) == 1
        assert difference(image, FRAMES[0]) < 8


def test_all_of_a_picture_that_does_not_move_is_that_picture():
    for form in MOVING:
        assert make(file(photo()), way(form))["out"] == make(file(photo()), way(form, every=False))["out"]


def test_one_rendition_is_animated_and_another_is_not():
    out = make(
        animation("GIF"),
        way(Format.WEBP, resized(60, 60), name="moves"),
        way(Format.JPEG, resized(60, 60), name="still", every=False),
    )
    assert len(played(out["moves"].data)[0]) == len(TIMES)
    assert difference(Image.open(io.BytesIO(out["still"].data)), made(file(FRAMES[0]), resized(60, 60))) < 10


def source_played(form: str, plays: int) -> bytes:
    """An animation that is played so often, 0 for endless, in the counting of its format."""
    if form == "GIF":
        return animation("GIF") if plays == 1 else animation("GIF", loop=max(0, plays - 1))
    if form == "AVIF":
        data, once = animation("AVIF"), sum(TIMES)
        return data.replace(b"\xff" * 8, (once * plays).to_bytes(8, "big")) if plays else data
    return animation(form, loop=plays)


@pytest.mark.parametrize("plays", [0, 1, 2, 5, 65535])
@pytest.mark.parametrize("source", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("form", MOVING)
def test_it_is_played_as_often(form, source, plays):
    assert shown.plays(make(source_played(source, plays), way(form, resized(8, 8)))["out"].data) == plays


def test_more_plays_than_a_format_counts_are_as_many_as_it_counts():
    often = {
        form: shown.plays(make(source_played("PNG", 100_000), way(form, resized(8, 8)))["out"].data)
        for form in MOVING
    }
    assert often == dict.fromkeys(MOVING, 65535)


@pytest.mark.parametrize("form", MOVING)
@pytest.mark.parametrize(
    ("stored", "right"),
    [
        ([0, 10, 11, 500], {Format.GIF: [100, 100, 20, 500], Format.PNG: [100, 100, 11, 500]}),
        ([15, 15, 15, 15], {Format.GIF: [20, 20, 20, 20], Format.PNG: [15, 15, 15, 15]}),
        ([33, 33, 33, 33], {Format.GIF: [30, 40, 30, 30], Format.PNG: [33, 33, 33, 33]}),
        ([25, 25, 1000, 44], {Format.GIF: [20, 30, 1000, 40], Format.PNG: [25, 25, 1000, 44]}),
    ],
)
def test_delays_are_rounded_without_drift_and_never_to_what_browsers_slow_down(form, stored, right):
    data = file(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:], duration=stored, lossless=True)
    times = played(make(data, way(form, resized(40, 40)))["out"].data)[1]
    assert times == right.get(form, right[Format.PNG])


def test_frames_of_a_third_of_a_tenth_do_not_drift():
    frames = [Image.new("RGB", (8, 8), (number * 8, 0, 0)) for number in range(30)]
    data = file(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=1000 / 30)
    for form in MOVING:
        assert sum(played(make(data, way(form))["out"].data)[1]) == 1000


@pytest.mark.parametrize("form", MOVING)
def test_long_frames_are_as_long_as_a_format_allows(form):
    data = file(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:2], duration=[20_000_000, 300_000])
    most = {Format.GIF: 655_350, Format.WEBP: 16_777_215}
    assert played(make(data, way(form, resized(8, 8)))["out"].data)[1] == [
        most.get(form, 20_000_000),
        300_000,
    ]


def test_frames_that_are_the_same_are_shown_for_the_time_of_both():
    data = animation("WEBP", [FRAMES[0], FRAMES[1], FRAMES[1].copy(), FRAMES[2]])
    for form in MOVING:
        assert sum(played(make(data, way(form, resized(40, 40)))["out"].data)[1]) == sum(TIMES)


def test_an_animated_avif_does_not_hold_the_time_at_which_it_was_made():
    data = make(animation("GIF"), way(Format.AVIF, resized(8, 8)))["out"].data
    for box in (b"mvhd", b"tkhd", b"mdhd"):
        assert data[data.index(box) + 8 :][:16] == bytes(16)


def test_a_palette_for_all_frames_of_a_png_is_not_supported():
    texts = [text for _, text in violations(way(Format.PNG, colors=8))]
    assert any("animation All cannot be combined with colors" in text for text in texts)
    assert not list(violations(way(Format.GIF, colors=8)))


def test_clear_parts_stay_clear_in_every_frame():
    frames = []
    for number in range(3):
        frame = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
        frame.paste((255, 0, 0, 255), (number * 10, 0, number * 10 + 10, 40))
        frames.append(frame)
    for form in MOVING:
        shown, _, _ = played(make(animation("PNG", frames), way(form))["out"].data)
        for number, frame in enumerate(shown):
            assert frame.getpixel((number * 10 + 5, 20))[3] == 255
            assert frame.getpixel((39, 20))[3] == 0
            assert number == 0 or frame.getpixel((5, 20))[3] == 0, "the frame before is gone"


def test_grey_frames_are_grey():
    shown, _, _ = played(make(animation("GIF"), way(Format.GIF, Step(grayscale=Grayscale())))["out"].data)
    red, green, blue, _ = shown[1].split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


def test_all_frames_count_against_the_limit():
    data = animation("GIF")
    assert make(data, way(Format.GIF), limits=limits(pixels=4 * 120 * 80))
    with pytest.raises(ItemFailure, match=r"4 frames of 120x80 = 38400 .* of 38399") as caught:
        make(data, way(Format.GIF), limits=limits(pixels=4 * 120 * 80 - 1))
    assert caught.value.code is ItemCode.TOO_LARGE
    assert make(data, way(Format.GIF, every=False), limits=limits(pixels=120 * 80))


def test_what_all_frames_would_become_is_bounded_too():
    with pytest.raises(ItemFailure, match=r"frames of 400x400 pixels, over the limit of 300000") as caught:
        make(animation("GIF"), way(Format.GIF, resized(400, 400, Fit.FILL)), limits=limits(pixels=300_000))
    assert caught.value.code is ItemCode.STEP_FAILED


@pytest.mark.parametrize("percent", range(10, 100, 20))
def test_a_truncated_animation_is_undecodable(percent):
    data = animation("WEBP")
    with pytest.raises(ItemFailure) as caught:
        make(data[: len(data) * percent // 100], way(Format.GIF))
    assert caught.value.code is ItemCode.UNDECODABLE
