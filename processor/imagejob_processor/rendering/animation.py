"""Animations: all frames of a GIF, WebP, PNG or AVIF, each processed by the steps of a rendition.

Frames are decoded one after the other, again for each rendition, so that only one unfinished frame is in
memory. The frames of an animation count together against `limits.pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Animation
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor import limits as checks
from imagejob_processor import steps
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import colour, orientation, sample_depth
from imagejob_processor.pixels.encode import AnimationFrames
from imagejob_processor.pixels.resampling import Engine
from imagejob_processor.rendering.plan import naming_step
from imagejob_processor.rendering.source import Source, decoder_errors, open_source

_ANIMATED_FORMATS = ("GIF", "WEBP", "PNG", "AVIF")
"""The pages of a TIFF are not an animation."""


def is_animated(source: Source) -> bool:
    """Whether a source is an animation of several frames."""
    return source.format in _ANIMATED_FORMATS and bool(getattr(source.image, "is_animated", False))


def animated_renditions(
    source: Source, renditions: tuple[Rendition, ...], limits: ItemLimits
) -> tuple[Rendition, ...]:
    """Return the renditions that keep all frames of `source`.

    Raises:
        ItemFailure: IMG_002, the frames together have too many pixels. IMG_001, they cannot be counted.
    """
    wanted = tuple(r for r in renditions if r.output.animation is Animation.ALL)
    with decoder_errors(source.format, limits, source.memory_needed):
        if not wanted or not is_animated(source):
            return ()
        frames, (width, height) = source.image.n_frames, source.size  # type: ignore[attr-defined]
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
        durations.append(milliseconds)
        if len(frames) * image.width * image.height > max_pixels:
            raise ItemFailure(
                ItemCode.STEP_FAILED,
                f"rendition {rendition.name!r}: {len(frames)} frames of {image.width}x{image.height} pixels, "
                f"over the limit of {max_pixels} pixels in total; raise limits.pixels or reduce the size",
            )
    return AnimationFrames(tuple(frames), tuple(durations), source.image.info.get("loop"))


def _frames(source: Source, limits: ItemLimits) -> Iterator[tuple[Image.Image, int]]:
    """Decode frame by frame: upright, in sRGB, with its duration in milliseconds."""
    image = source.image
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        with decoder_errors(source.format, limits, source.memory_needed):
            image.seek(number)
            image.load()
            # The decoder draws the next frame over this one.
            frame = sample_depth.to_resizable_mode(image.copy(), source.header.samples)
            frame.info = {}
            duration = int(image.info.get("duration", 0))
        yield colour.to_srgb(orientation.apply(frame, source.orientation), source.profile), duration
