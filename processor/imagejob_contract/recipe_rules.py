"""Rules for a recipe that its schema cannot express. The CRD has the same rules in CEL.

Each violation is the path below the rendition and a sentence that says what to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from imagejob_contract.output import Animation, Compression, Format, Metadata, Output
from imagejob_contract.recipe import OPERATIONS, Crop, Fit, Pad, Rendition, Resize, Step, members

Violation: TypeAlias = tuple[str, str]
"""Path below the rendition such as `.steps[0].resize`, and the rule."""

LOSSY = (Format.JPEG, Format.WEBP, Format.AVIF)
"""Formats with a quality."""

ANIMATED = (Format.GIF, Format.WEBP, Format.AVIF, Format.PNG, Format.SAME)
"""Formats that hold all frames of an animation, and Same, whose other formats hold the first frame."""


def violations(rendition: Rendition) -> Iterator[Violation]:
    """Find every rule that a rendition violates."""
    for position, step in enumerate(rendition.steps):
        for path, text in _step(step):
            yield f".steps[{position}]{path}", text
    for text in _output(rendition.output):
        yield ".output", text
    if rendition.output.animation is Animation.ALL and any(_smart(step) for step in rendition.steps):
        text = "animation All cannot be combined with smartCrop, which would crop each frame differently"
        yield ".output", f"{text}; use gravity or focalPoint, or animation First"


def _step(step: Step) -> Iterator[Violation]:
    chosen = members(step)
    if len(chosen) != 1:
        yield "", f"exactly one of {', '.join(OPERATIONS)} must be set, found {chosen or 'none'}"
    if step.resize:
        yield from ((".resize", text) for text in _resize(step.resize))
    if step.crop:
        yield from ((".crop", text) for text in _crop(step.crop))
    if step.watermark and (step.watermark.text is None) == (step.watermark.image is None):
        yield ".watermark", "exactly one of text and image must be set"
    if step.pad and step.pad == Pad(background=step.pad.background):
        yield ".pad", "at least one of top, right, bottom, left must be more than 0"


def _smart(step: Step) -> bool:
    return any(part is not None and part.smart_crop is not None for part in (step.resize, step.crop))


def _resize(step: Resize) -> Iterator[str]:
    if step.width is None and step.height is None:
        yield "width or height must be set"
    elif step.fit in (Fit.COVER, Fit.CONTAIN, Fit.FILL) and None in (step.width, step.height):
        yield f"fit {step.fit} requires width and height"
    chosen = [step.gravity, step.focal_point, step.smart_crop]
    if sum(each is not None for each in chosen) > 1:
        yield "at most one of gravity, focalPoint, smartCrop may be set"
    if step.fit is not Fit.COVER and (step.focal_point or step.smart_crop):
        yield f"focalPoint and smartCrop require fit Cover, found {step.fit}"
    if step.fit not in (Fit.COVER, Fit.CONTAIN) and step.gravity:
        yield f"gravity requires fit Cover or Contain, found {step.fit}"
    if step.fit is not Fit.CONTAIN and step.background:
        yield f"background requires fit Contain, found {step.fit}"


def _crop(step: Crop) -> Iterator[str]:
    if (step.x is None) != (step.y is None):
        yield "x and y must be set together"
    elif sum(each is not None for each in (step.x, step.gravity, step.smart_crop)) != 1:
        yield "exactly one of x and y, gravity, smartCrop must be set"


def _output(output: Output) -> Iterator[str]:
    form = output.format
    only: list[tuple[str, object, tuple[Format, ...]]] = [
        ("progressive", output.progressive, (Format.JPEG,)),
        ("chroma", output.chroma, (Format.JPEG, Format.AVIF)),
        ("compression", output.compression, (Format.WEBP,)),
        ("speed", output.speed is not None, (Format.AVIF,)),
        ("colors", output.colors, (Format.PNG, Format.GIF)),
        ("maxSize", output.max_size, LOSSY),
        ("animation All", output.animation is Animation.ALL, ANIMATED),
    ]
    for name, value, formats in only:
        if value and form not in formats:
            yield f"{name} requires format {' or '.join(formats)}, found {form}"
    if output.animation is Animation.ALL and output.colors and form is Format.PNG:
        yield (
            "animation All cannot be combined with colors for format PNG, whose frames share one palette; "
            "remove colors or animation"
        )
    if output.metadata is not Metadata.STRIP and form is Format.GIF:
        yield (
            f"format GIF cannot hold metadata, found metadata {output.metadata}; "
            "set metadata to Strip, or change format"
        )
    if output.max_size and output.compression not in (None, Compression.LOSSY):
        yield (
            f"maxSize requires compression Lossy, found {output.compression}; "
            "change compression, or remove maxSize"
        )
