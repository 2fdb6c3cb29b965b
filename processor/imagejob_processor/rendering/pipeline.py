"""The pipeline: one source image to all its renditions, without network, files or clock.

open      detect the format, check header and limits   nothing is decoded yet
plan      sizes of every step of every rendition       errors are found before the decode
decode    once, at reduced size if all renditions allow it
scale     largest first, smaller ones from larger      then to sRGB, on the reduced image
finish    padding and the other steps                  never used for another rendition
encode    with explicit options

JPEGs that are only resized take the shorter way of `jpeg_planes`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

from PIL import Image

from imagejob_contract import pod_memory
from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Metadata
from imagejob_contract.recipe import Rendition, Step
from imagejob_contract.result import ImageFacts, ItemCode
from imagejob_processor import steps
from imagejob_processor.errors import CodecFailure, ItemFailure, reason_of
from imagejob_processor.pixels import colour, encode
from imagejob_processor.pixels.animation_encoding import encode_animation
from imagejob_processor.pixels.geometry import Box, Size, full_box, map_box
from imagejob_processor.pixels.metadata import NO_METADATA, read_metadata
from imagejob_processor.pixels.resampling import PILLOW, Engine
from imagejob_processor.pixels.turbojpeg import Planes
from imagejob_processor.rendering import animation, jpeg_planes, jpeg_xl
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.rendering.image_facts import image_facts_of
from imagejob_processor.rendering.plan import Branch, Plan, make_plan, naming_step
from imagejob_processor.rendering.source import Frame, decode, open_source
from imagejob_processor.steps import resize

Pixels = TypeVar("Pixels", Image.Image, Planes)


def render(
    data: bytes, renditions: tuple[Rendition, ...], limits: ItemLimits, engine: Engine = PILLOW
) -> Iterator[ImageFacts | EncodedRendition]:
    """Make all renditions of one image.

    Args:
        data: The source file.
        renditions: The renditions to make; at least one.
        limits: Limits of the source.
        engine: The resampling engine.

    Yields:
        Facts about the source, then each rendition as soon as it is encoded, in any order.

    Raises:
        ItemFailure: The item failed; renditions that were yielded before are to be discarded.
        MemoryError: The memory limit of this process is too low.
    """
    source = open_source(data, limits)
    max_pixels = pod_memory.work_pixels(renditions, limits)
    animated = animation.animated_renditions(source, renditions, limits)
    plan = make_plan(source.size, source.orientation, renditions, max_pixels)
    if animated:
        still = tuple(rendition for rendition in renditions if rendition not in animated)
        plan = make_plan(source.size, source.orientation, still, max_pixels)
    planes = jpeg_planes.decode_planes(data, source, plan, engine)
    if planes is not None:
        yield image_facts_of(source, planes.preview())
        for branch, resized in _scale(plan, planes.resize_source, planes.resize_rendition):
            encoder = functools.partial(planes.encode, resized, branch)
            yield _encode(encoder, resized.size, branch.rendition, source.memory_needed)
        return
    keeps = any(rendition.output.metadata is not Metadata.STRIP for rendition in renditions)
    # Before the decode, which may discard it.
    metadata = read_metadata(data, source.image) if keeps else NO_METADATA
    if keeps:
        jpeg_xl.note_compressed_metadata(source.image)
    frame = animation.decode_first_frame(source, limits)
    if frame is None:
        frame = decode(source, plan.draft, limits)
    else:
        source = replace(source, profile=None)
    yield image_facts_of(source, frame)
    decoded = _DecodedImage(frame, source.profile, engine)
    for branch, image in _scale(plan, decoded.resize_source, decoded.resize_rendition):
        finished = _finish(image, branch, engine)
        encoder = functools.partial(encode.encode, finished, branch.rendition.output, metadata)
        yield _encode(encoder, finished.size, branch.rendition, source.memory_needed)
    for rendition in animated:
        frames = animation.decode_animation(data, rendition, limits, max_pixels, engine)
        encoder = functools.partial(encode_animation, frames, rendition.output, metadata)
        yield _encode(encoder, frames.images[0].size, rendition, source.memory_needed)


def _scale(
    plan: Plan,
    resize_source: Callable[[Branch], Pixels],
    resize_rendition: Callable[[Pixels, Box, Branch], Pixels],
) -> Iterator[tuple[Branch, Pixels]]:
    """Make the resized image of every branch, keeping those that later branches start from."""
    kept: dict[int, Pixels] = {}
    for position, branch in enumerate(plan.branches):
        if branch.parent is None:
            resized = resize_source(branch)
        else:
            parent, placement = plan.branches[branch.parent].placement, branch.placement
            assert parent is not None and placement is not None  # noqa: S101, PT018 - see `plan._may_start_from`
            larger = kept[branch.parent]
            box = map_box(placement.box, parent.box, full_box(larger.size))
            resized = resize_rendition(larger, box, branch)
        needed = {later.parent for later in plan.branches[position + 1 :]}
        kept = {other: image for other, image in {**kept, position: resized}.items() if other in needed}
        yield branch, resized


class _DecodedImage:
    """The decoded source. It keeps the result of the last steps before a resize for the next branch."""

    def __init__(self, frame: Frame, profile: bytes | None, engine: Engine) -> None:
        self._frame = frame
        self._profile = profile
        self._engine = engine
        self._after_steps: tuple[tuple[Step, ...], Image.Image] | None = None

    def resize_source(self, branch: Branch) -> Image.Image:
        """Return the resized image of a branch that starts from the source, in sRGB."""
        placement = branch.placement
        if placement is not None and not branch.before:
            box = map_box(placement.box, full_box(self._frame.source_size), self._frame.box)
            image = resize.scale(self._frame.image, box, placement.size, branch.resample, self._engine)
            return colour.to_srgb(image, self._profile)
        image = self._apply_first_steps(branch)
        if placement is None:
            return image
        return resize.scale(image, placement.box, placement.size, branch.resample, self._engine)

    def resize_rendition(self, image: Image.Image, box: Box, branch: Branch) -> Image.Image:
        """Return the resized image of a branch that starts from a larger one."""
        assert branch.placement is not None  # noqa: S101 - see `plan._may_start_from`
        return resize.scale(image, box, branch.placement.size, branch.resample, self._engine)

    def _apply_first_steps(self, branch: Branch) -> Image.Image:
        if self._after_steps is None or self._after_steps[0] != branch.before:
            image = colour.to_srgb(self._frame.image, self._profile)
            for index, step in enumerate(branch.before):
                with naming_step(branch.rendition, index):
                    image = steps.apply(step, image, self._engine)
            self._after_steps = (branch.before, image)
        return self._after_steps[1]


def _finish(image: Image.Image, branch: Branch, engine: Engine) -> Image.Image:
    """Complete the first resize and apply the steps after it."""
    if branch.placement is not None:
        image = resize.fit_canvas(image, branch.placement)
    for index, step in enumerate(branch.after, start=len(branch.before) + 1):
        with naming_step(branch.rendition, index):
            image = steps.apply(step, image, engine)
    return image


def _encode(
    encoder: Callable[[], bytes], size: Size, rendition: Rendition, memory_needed: int
) -> EncodedRendition:
    """Encode one rendition; `memory_needed` is that of everything before.

    Raises:
        ItemFailure: IMG_009, the size target cannot be reached.
        CodecFailure: IMG_005, the encoder failed.
    """
    try:
        data = encoder()
    except MemoryError:
        raise
    except ItemFailure as failure:
        raise ItemFailure(failure.code, f"rendition {rendition.name!r}: {failure.message}") from None
    except Exception as error:
        form = rendition.output.format
        message = f"rendition {rendition.name!r}: the image cannot be encoded as {form}{reason_of(error)}"
        memory_needed += pod_memory.encode_bytes(form, size)
        raise CodecFailure(ItemCode.STEP_FAILED, message, memory_needed) from error
    return EncodedRendition(rendition.name, *size, data)
