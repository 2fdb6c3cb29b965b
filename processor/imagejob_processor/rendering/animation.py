"""Animation: all frames of a GIF, WebP, PNG or AVIF that moves, each taken through the steps of a rendition.

Frames are decoded one after the other, anew for each rendition, so that besides the finished ones there is
only one in memory. An animation counts with all its frames against `limits.pixels`.
"""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Animation
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor import steps
from imagejob_processor.errors import ItemFailure
from imagejob_processor.pixels import colour, orient
from imagejob_processor.pixels.encode import Motion
from imagejob_processor.pixels.resampling import Engine
from imagejob_processor.rendering.plan import naming
from imagejob_processor.rendering.source import Source, decoder_errors, open_source

_MOVING = ("GIF", "WEBP", "PNG", "AVIF")
"""Formats whose frames are moments; the pages of a TIFF are not."""


def moves(source: Source) -> bool:
    """Tell whether a source has several frames that follow each other in time."""
    return source.format in _MOVING and bool(getattr(source.image, "is_animated", False))


def moving(source: Source, renditions: tuple[Rendition, ...], limits: ItemLimits) -> tuple[Rendition, ...]:
    """Give the renditions that take all frames of `source`.

    Raises:
        ItemFailure: IMG_002, there are too many pixels in all of them together.
    """
    wanted = tuple(r for r in renditions if r.output.animation is Animation.ALL)
    if not wanted or not moves(source):
        return ()
    frames, (width, height) = source.image.n_frames, source.size  # type: ignore[attr-defined]
    if frames * width * height > limits.pixels:
        raise ItemFailure(
            ItemCode.TOO_LARGE,
            f"{frames} frames of {width}x{height} = {frames * width * height} pixels, over the limit of "
            f"{limits.pixels} (limits.pixels) for all frames of an animation together",
        )
    return wanted


def motion_of(
    data: bytes, rendition: Rendition, limits: ItemLimits, most_pixels: int, engine: Engine
) -> Motion:
    """Take all frames of a source through the steps of a rendition.

    Args:
        data: The source file, which moves.
        rendition: What is to be made.
        limits: What is refused.
        most_pixels: The most pixels that all finished frames may have together.
        engine: What resamples.

    Raises:
        ItemFailure: IMG_001 for a broken frame, IMG_005 for a step, or too many pixels in the end.
    """
    source = open_source(data, limits)
    frames, durations = [], []
    for image, milliseconds in _frames(source, limits):
        for index, step in enumerate(rendition.steps):
            with naming(rendition, index):
                image = steps.apply(step, image, engine)
        frames.append(image)
        durations.append(milliseconds)
        if len(frames) * image.width * image.height > most_pixels:
            raise ItemFailure(
                ItemCode.STEP_FAILED,
                f"rendition {rendition.name!r}: {len(frames)} frames of {image.width}x{image.height}, "
                f"over the limit of {most_pixels} pixels for all together (limits.pixels)",
            )
    return Motion(tuple(frames), tuple(durations), source.image.info.get("loop"))


def _frames(source: Source, limits: ItemLimits) -> Iterator[tuple[Image.Image, int]]:
    """Decode frame by frame: upright, in sRGB, with the milliseconds that it is shown."""
    image = source.image
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        with decoder_errors(limits, source.need):
            image.seek(number)
            image.load()
            # A copy: the decoder goes on from what it has drawn.
            frame = colour.plain(image.copy())
            frame.info = {}
            shown = int(image.info.get("duration", 0))
        yield colour.to_srgb(orient.upright(frame, source.orientation), source.profile), shown
