"""Animations: all frames of a GIF, WebP, PNG or AVIF, each processed by the steps of a rendition.

Frames are decoded one after the other, again for each rendition, so that only one unfinished frame is in
memory. The frames of an animation count together against `limits.pixels`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import msgspec
from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Animation
from imagejob_contract.recipe import Rendition
from imagejob_contract.recipe_rules import ANIMATED
from imagejob_contract.result import ItemCode
from imagejob_processor import limits as checks
from imagejob_processor import steps
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import colour, gif_blocks, orientation, sample_depth
from imagejob_processor.pixels.animation_encoding import AnimationFrames, shown_milliseconds
from imagejob_processor.pixels.geometry import full_box
from imagejob_processor.pixels.resampling import Engine
from imagejob_processor.rendering.frame_canvas import compose
from imagejob_processor.rendering.iso_media import read_plays
from imagejob_processor.rendering.plan import naming_step
from imagejob_processor.rendering.source import Frame, Source, decode, decoder_errors, open_source
from imagejob_processor.rendering.stored_parts import gif_parts, png_parts

_ENDLESS = 0
_PART_HEAD_BYTES = 1024
"""More than the bytes that the file of a part has and the whole file has not."""


def frame_count(source: Source) -> int:
    """Count the frames of an animation; the pages of a TIFF are none, nor is the default image of a PNG."""
    if source.format == "GIF":
        return sum(1 for _ in gif_blocks.read_images(source.header.data))
    if source.format not in ("WEBP", "PNG", "AVIF"):
        return 1
    default: bool = getattr(source.image, "default_image", False)
    if default and b"fcTL" not in source.header.data:
        return 1
    return int(getattr(source.image, "n_frames", 1)) - default


def animated_renditions(
    source: Source, renditions: tuple[Rendition, ...], limits: ItemLimits
) -> tuple[Rendition, ...]:
    """Return the renditions that keep all frames of `source`; Same may be a format of still images.

    Raises:
        ItemFailure: IMG_002, the frames together have too many pixels. IMG_001, they cannot be counted.
    """
    wanted = tuple(
        r for r in renditions if r.output.animation is Animation.ALL and r.output.format in ANIMATED
    )
    with decoder_errors(source.format, limits, source.memory_needed):
        frames, (width, height) = frame_count(source) if wanted else 0, source.size
    if frames <= 1:
        return ()
    if frames * width * height > limits.pixels:
        total = frames * width * height
        raise checks.too_many_pixels(f"{frames} frames of {width}x{height} = {total} pixels in total", limits)
    return wanted


def decode_animation(
    data: bytes, rendition: Rendition, limits: ItemLimits, max_pixels: int, engine: Engine
) -> AnimationFrames:
    """Decode all frames of a source and apply the steps of a rendition to each.

    Args:
        data: The source file, an animation.
        rendition: The rendition to make.
        limits: Limits of the source.
        max_pixels: Limit of the pixels of all finished frames together.
        engine: The resampling engine.

    Raises:
        ItemFailure: IMG_001 for a corrupt frame, IMG_005 for a step or for too many pixels.
    """
    source = open_source(data, limits)
    frames, durations = [], []
    for image, milliseconds in _frames(source, limits):
        for index, step in enumerate(rendition.steps):
            with naming_step(rendition, index):
                image = steps.apply(step, image, engine)
        frames.append(image)
        durations.append(shown_milliseconds(milliseconds))
        if len(frames) * image.width * image.height > max_pixels:
            raise ItemFailure(
                ItemCode.STEP_FAILED,
                f"rendition {rendition.name!r}: {len(frames)} frames of {image.width}x{image.height} pixels, "
                f"over the limit of {max_pixels} pixels in total; raise limits.pixels or reduce the size",
            )
    with decoder_errors(source.format, limits, source.memory_needed):
        return AnimationFrames(tuple(frames), tuple(durations), _plays(source))


def decode_first_frame(source: Source, limits: ItemLimits) -> Frame | None:
    """Decode the first frame of an animation in sRGB, if it is not simply the first image of the file.

    That is so for a GIF whose first image does not cover the canvas, and for a PNG with a default image.

    Raises:
        ItemFailure: IMG_001 for a corrupt frame.
    """
    if source.format == "GIF":
        image = next(gif_blocks.read_images(source.header.data), None)
        separate = image is not None and (image.left, image.top, image.size) != (0, 0, source.size)
    else:
        separate = bool(getattr(source.image, "default_image", False)) and b"fcTL" in source.header.data
    if not separate:
        return None
    first, _ = next(_frames(source, limits))
    return Frame(first, full_box(first.size), source.oriented_size)


def _frames(source: Source, limits: ItemLimits) -> Iterator[tuple[Image.Image, float]]:
    """Decode frame by frame: upright, in sRGB, with its time in milliseconds as stored."""
    in_parts = source.format in ("GIF", "PNG")
    frames = _composed_frames(source, limits) if in_parts else _whole_frames(source)
    for _ in range(frame_count(source)):
        with decoder_errors(source.format, limits, source.memory_needed):
            image, milliseconds = next(frames, (None, 0))
            if image is None:
                text = f"the {source.format} file is corrupt: it has fewer frames than it announces"
                raise ItemFailure(ItemCode.UNDECODABLE, text)
        if image.mode == "RGBA" and image.getchannel("A").getextrema() == (255, 255):
            image = image.convert("RGB")
        yield orientation.apply(image, source.orientation), milliseconds


def _composed_frames(source: Source, limits: ItemLimits) -> Iterator[tuple[Image.Image, float]]:
    """Decode frames that are stored in parts, which may be larger than the canvas."""
    wider = msgspec.structs.replace(limits, item_bytes=limits.item_bytes + _PART_HEAD_BYTES)
    pixels = 0

    def decode_part(file: bytes) -> Image.Image:
        nonlocal pixels
        part = open_source(file, wider)
        pixels += part.size[0] * part.size[1]
        if pixels > limits.pixels:
            raise checks.too_many_pixels(f"at least {pixels} pixels in its frames in total", limits)
        header = replace(part.header, samples=source.header.samples)
        return colour.to_srgb(decode(replace(part, header=header), None, wider).image, source.profile)

    parts = (
        gif_parts(source.header.data)
        if source.format == "GIF"
        else png_parts(source.header.data, source.size)
    )
    return compose(parts, source.size, decode_part)


def _whole_frames(source: Source) -> Iterator[tuple[Image.Image, float]]:
    """Decode frames that the decoder composes."""
    image, end = source.image, 0
    for number in itertools.count():
        image.seek(number)
        image.load()
        # The decoder draws the next frame over this one.
        frame = sample_depth.to_resizable_mode(image.copy(), source.header.samples)
        frame.info = {}
        # Both are rounded; the ends do not drift.
        start, end = end, image.info["timestamp"] + image.info["duration"]
        yield colour.to_srgb(frame, source.profile), end - start


def _plays(source: Source) -> int:
    """Return how often a browser plays the animation, 0 for endless."""
    if source.format == "GIF":
        repeats = gif_blocks.read_repeats(source.header.data)
        return 1 if repeats is None else repeats + 1 if repeats else _ENDLESS
    if source.format == "AVIF":
        return read_plays(source.header.data)
    return int(source.image.info.get("loop", _ENDLESS))
