"""Encoders of animations: GIF, WebP, AVIF and PNG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from PIL import Image, ImageChops

from imagejob_contract.output import Format, Output
from imagejob_processor.notes import note
from imagejob_processor.pixels import avif_boxes, encode, gif_blocks, palette
from imagejob_processor.pixels.gif_blocks import GifImage
from imagejob_processor.pixels.metadata import NO_METADATA, SourceMetadata

SLOWED_MILLISECONDS = 10
"""Browsers show a frame of at most this time, in any format, for `SLOW_MILLISECONDS`."""

SLOW_MILLISECONDS = 100

_MAX_PLAYS = 65535
_PNG_MILLISECONDS = 65_535
_MAX_MILLISECONDS = {
    Format.GIF: 10 * gif_blocks.MAX_CENTISECONDS,
    Format.WEBP: 2**24 - 1,
    Format.AVIF: 2**31 - 1,
    Format.PNG: 65_535_000,
}


@dataclass(frozen=True)
class AnimationFrames:
    """The frames of an animation.

    Attributes:
        images: All frames, of the same size.
        durations: How long a browser shows each frame, in milliseconds.
        plays: How often the animation is played, 0 for endless.
    """

    images: tuple[Image.Image, ...]
    durations: tuple[float, ...]
    plays: int


def encode_animation(
    frames: AnimationFrames, output: Output, metadata: SourceMetadata = NO_METADATA
) -> bytes:
    """Encode an animation; one of a single frame as that image.

    Raises:
        ItemFailure: IMG_009, the size target cannot be reached.
    """
    form, first = output.format, frames.images[0]
    if len(frames.images) == 1:
        return encode.encode(first, output, metadata)
    durations = rounded_durations(frames.durations, form)
    kept = metadata.select(form, output.metadata, first.size)
    images, plays = _in_one_mode(frames.images), _at_most(frames.plays, _MAX_PLAYS, form, "plays")
    if form is Format.GIF:
        repeats = None if plays == 1 else max(0, plays - 1)
        return gif_blocks.write_gif(first.size, _gif_images(images, durations, output), repeats)
    options: dict[str, Any] = {
        "save_all": True,
        "append_images": [encode.to_format(image, output) for image in images[1:]],
        "duration": durations,
    }
    if form is Format.AVIF:
        # Chromium takes the samples of an animation for limited range, whatever the file says.
        options["range"] = "limited"
        return avif_boxes.with_plays(encode.encode_with(images[0], output, kept, options), plays)
    # Partial frames lose the alpha flag, so that some decoders fill transparent pixels with black.
    if form is Format.WEBP and images[0].mode == "RGBA":
        options |= {"kmin": 1, "kmax": 1}
    return encode.encode_with(images[0], output, kept, {**options, "loop": plays})


def shown_milliseconds(stored: float) -> float:
    """Return how long browsers show a frame with this duration."""
    return SLOW_MILLISECONDS if stored < SLOWED_MILLISECONDS + 1 else stored


def rounded_durations(durations: Iterable[float], form: Format) -> list[int]:
    """Round durations to what a format stores, at least to what no browser slows down.

    What is rounded off is added to the next frame, so that an animation does not become faster or slower.
    """
    rounded, rest = [], 0.0
    for duration in durations:
        wanted = duration + rest
        unit = _unit(form, wanted)
        near = round(wanted / unit) * unit
        least = (SLOWED_MILLISECONDS // unit + 1) * unit
        longest = _at_most(near, _MAX_MILLISECONDS[form], form, "milliseconds of a frame")
        rounded.append(max(longest, least))
        rest = wanted - near if rounded[-1] == near else 0.0
    return rounded


def _at_most(value: int, most: int, form: Format, what: str) -> int:
    """Return a number that a format can hold, with a note if it is less."""
    if value > most:
        note(f"{value} {what} became {most}, which is all that {form} can hold")
    return min(value, most)


def _unit(form: Format, duration: float) -> int:
    """Return the milliseconds that a format counts in; PNG has fractions of two 16-bit numbers."""
    if form is Format.PNG:
        return 1 if duration <= _PNG_MILLISECONDS else 1000
    return 10 if form is Format.GIF else 1


def _in_one_mode(images: tuple[Image.Image, ...]) -> list[Image.Image]:
    """Convert all frames to L, RGB or RGBA: to the first of them that is enough for each."""
    modes = {image.mode for image in images}
    mode = next(mode for mode in ("RGBA", "RGB", "L") if mode in modes)
    return [image if image.mode == mode else image.convert(mode) for image in images]


def _gif_images(images: list[Image.Image], durations: list[int], output: Output) -> Iterator[GifImage]:
    """Encode each frame with a palette of its own.

    Transparent frames are complete, and cleared before the next one; of opaque frames, only what changes.
    """
    opaque = images[0].mode != "RGBA"
    for number, (image, milliseconds) in enumerate(zip(images, durations, strict=True)):
        left = top = 0
        if opaque and number:
            box = ImageChops.difference(image, images[number - 1]).getbbox() or (0, 0, 1, 1)
            left, top = box[:2]
            image = image.crop(box)
        part = _gif_image(image, output)
        disposal = 1 if opaque else 2
        yield replace(part, left=left, top=top, centiseconds=milliseconds // 10, disposal=disposal)


def _gif_image(image: Image.Image, output: Output) -> GifImage:
    """Encode one frame; one with alpha has a transparent colour, since some readers clear it with that."""
    file = BytesIO()
    if image.mode == "RGBA":
        reduced = palette.with_transparent_colour(image, output.colors or palette.ALL_COLOURS)
    else:
        reduced = encode.to_format(image, output)
    reduced.save(file, "GIF", optimize=False, interlace=False)
    return next(gif_blocks.read_images(file.getvalue()))
