"""Animations that are unusual or broken: what browsers show of them, or a refusal with a reason."""

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golden.animations import written
from golden.animations.shown import shown
from golden.animations.written import CLEAR, Part, Written
from imagejob_contract.output import Animation, Format, Output
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.notes import collecting
from imagejob_processor.pixels import gif_blocks
from imagejob_processor.pixels.resampling import PILLOW
from imagejob_processor.rendering import iso_media
from imagejob_processor.rendering.pipeline import render
from unit.processor.images import limits, make

RED, GREEN, BLUE, NONE = (255, 0, 0, 255), (0, 255, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


def pixels(*row: tuple[int, ...]) -> written.Pixels:
    return np.array([row], np.uint8)


def every(form: Format = Format.PNG, which: Animation = Animation.ALL) -> Rendition:
    return Rendition("out", Output(form, animation=which), ())


def rows(data: bytes, which: Animation = Animation.ALL, **more) -> list[list[tuple[int, ...]]]:
    """The pixels of the first row of every frame; all that is transparent is NONE."""
    frames = shown(make(data, every(which=which), **more)["out"].data).frames
    return [[tuple(map(int, p)) if p[3] else NONE for p in frame[0]] for frame in frames]


def refusal(data: bytes, **more) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        make(data, every(), **more)
    return caught.value


TWO = Written(3, 1, (Part(0, 0, pixels(RED, RED, RED)), Part(1, 0, pixels(BLUE))), 0)
SHOWN = [[RED, RED, RED], [RED, BLUE, RED]]
CONTROL = b"\x21\xf9\x04"


def test_a_gif_in_which_the_first_image_does_not_cover_the_canvas():
    data = written.gif(Written(3, 1, (Part(1, 0, pixels(RED)), Part(0, 0, pixels(BLUE)))))
    assert rows(data) == [[NONE, RED, NONE], [BLUE, RED, NONE]]
    assert rows(data, Animation.FIRST) == [[NONE, RED, NONE]]


def test_an_image_outside_the_canvas_shows_nothing():
    parts = (*TWO.parts, Part(7, 0, pixels(GREEN)), Part(2, 0, pixels(GREEN, GREEN, GREEN)))
    assert rows(written.gif(Written(3, 1, parts))) == [*SHOWN, [RED, BLUE, GREEN]]


@pytest.mark.parametrize("bits", range(8))
def test_every_disposal_that_a_gif_can_hold(bits):
    third = Part(0, 0, pixels(GREEN))
    data = bytearray(written.gif(Written(3, 1, (*TWO.parts, third))))
    second = data.index(CONTROL, data.index(CONTROL) + 1) + 3
    data[second] = bits << 2
    after = {2: [GREEN, NONE, RED], 3: [GREEN, RED, RED], 4: [GREEN, RED, RED]}
    assert rows(bytes(data))[2] == after.get(bits, [GREEN, BLUE, RED])


def test_disposals_do_not_hold_for_later_images():
    parts = (
        Part(0, 0, pixels(RED, RED, RED), 100, CLEAR),
        Part(0, 0, pixels(BLUE)),
        Part(1, 0, pixels(GREEN)),
    )
    data = written.gif(Written(3, 1, parts)).replace(CONTROL + b"\4", CONTROL + b"\0")
    assert rows(data) == [[RED, RED, RED], [BLUE, NONE, NONE], [BLUE, GREEN, NONE]]


def test_colours_that_a_palette_does_not_have_are_black():
    image = gif_blocks.GifImage(0, 0, (3, 1), 10, 0, None, bytes(RED[:3]), False, written._lzw([0, 1, 200]))
    data = gif_blocks.write_gif((3, 1), [image, image], 0)
    without = data[: data.index(b"\xff\0\0")] + data[data.index(b"\xff\0\0") + 768 :]
    assert rows(data)[0] == [RED, (0, 0, 0, 255), (0, 0, 0, 255)]
    assert without != data


def test_what_follows_the_blocks_of_a_gif_is_ignored():
    assert rows(written.gif(TWO)[:-1] + b"\x99 anything") == SHOWN
    assert rows(written.gif(TWO)[:-1]) == SHOWN
    assert rows(written.gif(TWO)[:-1] + CONTROL + b"\0\1\0\0\0;") == SHOWN


def test_an_empty_image_shows_nothing():
    empty = gif_blocks.GifImage(0, 0, (0, 0), 10, 0, None, b"", False, b"\x08\0")
    images = [*gif_blocks.read_images(written.gif(TWO)), empty]
    assert rows(gif_blocks.write_gif((3, 1), images, 0))[:2] == SHOWN


def test_an_image_larger_than_the_limit_is_refused_though_the_canvas_is_small():
    images = list(gif_blocks.read_images(written.gif(TWO)))
    huge = gif_blocks.GifImage(0, 0, (60000, 60000), 10, 0, None, b"", False, images[0].data)
    failure = refusal(gif_blocks.write_gif((3, 1), [*images, huge], 0), limits=limits(pixels=1_000_000))
    assert failure.code is ItemCode.TOO_LARGE
    assert "3600000000 pixels" in failure.message


def test_images_beyond_the_canvas_count_together_against_the_limit():
    large = Part(0, 0, np.full((100, 100, 4), RED, np.uint8))
    data = written.gif(Written(3, 1, (TWO.parts[0], large, large)))
    assert rows(data, limits=limits(pixels=20_003)) == [[RED, RED, RED]]
    failure = refusal(data, limits=limits(pixels=20_002))
    assert failure.code is ItemCode.TOO_LARGE
    assert "at least 20003 pixels in its frames in total" in failure.message


@pytest.mark.parametrize("form", [Format.JPEG, Format.TIFF])
def test_an_animation_whose_name_is_that_of_a_still_image_is_its_first_frame(form):
    image = shown(make(written.gif(TWO), every(form))["out"].data)
    assert len(image.frames) == 1


def test_the_default_image_of_a_png_is_no_frame():
    data = written.png(TWO, default=pixels(GREEN, GREEN, GREEN))
    assert rows(data) == SHOWN
    assert rows(data, Animation.FIRST) == SHOWN[:1]
    one = written.png(Written(3, 1, TWO.parts[:1]), default=pixels(GREEN, GREEN, GREEN))
    assert rows(one) == rows(one, Animation.FIRST) == SHOWN[:1]


def test_facts_are_about_the_first_frame():
    data = written.png(TWO, default=pixels(GREEN, GREEN, GREEN))
    facts = next(iter(render(data, (every(),), limits(), PILLOW)))
    assert facts.dominant_color == "#ff0000"
    partial = written.gif(Written(3, 1, (Part(1, 0, pixels(RED)), *TWO.parts)))
    assert next(iter(render(partial, (every(),), limits(), PILLOW))).dominant_color == "#ffffff"


def without_frames(data: bytes) -> bytes:
    """A PNG that announces frames and has none."""
    start, end = data.index(b"fcTL") - 4, data.index(b"IEND") - 4
    return data[:start] + data[end:]


def test_a_png_that_has_no_frames_is_its_default_image():
    data = without_frames(written.png(TWO, default=pixels(GREEN, GREEN, GREEN)))
    assert rows(data) == rows(data, Animation.FIRST) == [[GREEN, GREEN, GREEN]]


def test_a_png_with_fewer_frames_than_it_announces_is_refused():
    data = written.png(TWO)
    start, end = data.rindex(b"fcTL") - 4, data.index(b"IEND") - 4
    failure = refusal(data[:start] + data[end:])
    assert failure.code is ItemCode.UNDECODABLE
    assert "fewer frames than it announces" in failure.message


def test_a_png_with_more_frames_than_it_announces_has_those():
    more = written.png(Written(3, 1, (*TWO.parts, Part(2, 0, pixels(GREEN)))))
    start = more.index(b"acTL") - 4
    kept = written._png_chunk(b"acTL", struct.pack(">II", 2, 0))
    assert rows(more[:start] + kept + more[start + len(kept) :]) == SHOWN


def test_a_frame_that_is_not_within_a_png_is_refused():
    failure = refusal(written.png(Written(3, 1, (*TWO.parts, Part(2, 0, pixels(GREEN, GREEN))))))
    assert failure.code is ItemCode.UNDECODABLE
    assert "a frame of 2x1 at 2,0 is not within 3x1" in failure.message


def test_delays_of_a_png_in_hundredths():
    data = written.png(TWO)
    for at in [place for place in range(len(data)) if data[place : place + 4] == b"fcTL"]:
        content = bytearray(data[at + 4 : at + 30])
        content[20:24] = struct.pack(">HH", 7, 0)
        checksum = zlib.crc32(content, zlib.crc32(b"fcTL")).to_bytes(4, "big")
        data = data[: at + 4] + bytes(content) + checksum + data[at + 34 :]
    assert shown(make(data, every())["out"].data).milliseconds == [70, 70]


@pytest.mark.parametrize("cut", range(5, 100, 10))
@pytest.mark.parametrize("write", [written.gif, written.png, written.webp])
def test_a_truncated_animation_is_refused_or_shows_whole_frames(write, cut):
    parts = tuple(Part(0, 0, np.full((8, 8, 4), colour, np.uint8)) for colour in (RED, BLUE, GREEN))
    data = write(Written(8, 8, parts))
    assert outcome(data[: len(data) * cut // 100]) in (ItemCode.UNDECODABLE, *range(1, 4))


def outcome(data: bytes) -> ItemCode | int:
    """The code of the refusal, or the number of frames, each in one colour."""
    try:
        frames = rows(data)
    except ItemFailure as failure:
        return failure.code
    return (
        len(frames)
        if all(set(row) <= {colour} for row, colour in zip(frames, (RED, BLUE, GREEN), strict=False))
        else 0
    )


def test_what_a_format_cannot_hold_is_noted():
    half = Written(3, 1, (Part(0, 0, pixels((9, 9, 9, 99), RED, RED)), *TWO.parts[1:]), 99_999)
    with collecting() as notes:
        make(written.png(half), every(Format.GIF))
    assert notes == [
        "99999 plays became 65535, which is all that GIF can hold",
        "partial transparency was dropped: each pixel of a GIF is transparent or opaque",
    ]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_after_the_header_of_a_gif_are_read(data, whole):
    base = written.gif(TWO)
    file = (base[:-1] if whole else base[:13]) + data
    assert len(list(gif_blocks.read_images(file))) >= 2 * whole
    gif_blocks.read_repeats(file)


@given(
    st.lists(
        st.tuples(st.sampled_from([b"moov", b"trak", b"tkhd", b"elst", b"edts"]), st.binary(max_size=50))
    )
)
def test_any_boxes_of_an_avif_are_read(boxes):
    data = b""
    for kind, content in boxes:
        data = struct.pack(">I", 8 + len(content) + len(data)) + kind + content + data
    assert iso_media.read_plays(data) >= 0


def test_an_avif_without_an_edit_is_endless_and_one_that_does_not_repeat_is_played_once():
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    track = box(b"tkhd", bytes(20) + struct.pack(">I", 300) + bytes(60))
    for flags, once, plays in ((0, 100, 1), (1, 100, 3), (1, 200, 2), (1, 0, 0)):
        edit = box(b"edts", box(b"elst", bytes((0, 0, 0, flags)) + struct.pack(">III", 1, once, 0)))
        assert iso_media.read_plays(box(b"moov", box(b"trak", track + edit))) == plays
    assert iso_media.read_plays(box(b"moov", box(b"trak", track))) == 0
