"""Pipeline: one source image in, all its renditions out. Bytes to bytes: no network, no files, no clock.

open      sniff, read the header, check the limits     nothing decoded yet
plan      sizes of every step of every rendition       refused before the decode
decode    once, reduced if all renditions allow it     upright, in a mode that can be resampled
scale     largest first, smaller ones from larger      then to sRGB, on the reduced image
finish    padding and the other steps                  never fed to another rendition
encode    explicit options, no metadata

JPEGs that are only made smaller take a shorter way from decode to encode: see `straight`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from PIL import Image

from imagejob_contract import pod_memory
from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Metadata
from imagejob_contract.recipe import Rendition, Step
from imagejob_contract.result import ImageFacts, ItemCode
from imagejob_processor import steps
from imagejob_processor.errors import CodecFailure, ItemFailure, describe
from imagejob_processor.pixels import colour, encode
from imagejob_processor.pixels.geometry import Box, Size, map_box, whole
from imagejob_processor.pixels.metadata import NOTHING, records_of
from imagejob_processor.pixels.resampling import PILLOW, Engine
from imagejob_processor.pixels.turbojpeg import Planes
from imagejob_processor.rendering import animation, jpeg_planes
from imagejob_processor.rendering.image_facts import facts_of
from imagejob_processor.rendering.plan import Branch, Plan, make_plan, naming
from imagejob_processor.rendering.source import Frame, decode, open_source
from imagejob_processor.steps import resize

P = TypeVar("P", Image.Image, Planes)
"""A picture, in whatever way it is kept."""


@dataclass(frozen=True)
class Encoded:
    """One finished rendition: its name, its size in pixels, its bytes."""

    rendition: str
    width: int
    height: int
    data: bytes


def render(
    data: bytes, renditions: tuple[Rendition, ...], limits: ItemLimits, engine: Engine = PILLOW
) -> Iterator[ImageFacts | Encoded]:
    """Make all renditions of one image.

    Args:
        data: The source file.
        renditions: What to make; at least one.
        limits: What is refused.
        engine: What resamples.

    Yields:
        What the source looks like, then each rendition as soon as it is encoded, in an order of our choice.

    Raises:
        ItemFailure: With the code for the result. What was yielded before does not count then.
        MemoryError: The memory limit of this process is not enough.
    """
    source = open_source(data, limits)
    most_pixels = pod_memory.work_pixels(renditions, limits)
    moving = animation.moving(source, renditions, limits)
    plan = make_plan(source.size, source.orientation, renditions, most_pixels)
    if moving:
        still = tuple(rendition for rendition in renditions if rendition not in moving)
        plan = make_plan(source.size, source.orientation, still, most_pixels)
    direct = jpeg_planes.begin(data, source, plan, engine)
    if direct is not None:
        yield facts_of(source, direct.glance())
        for branch, planes in _scale(plan, direct.scaled, direct.reduced):
            encoder = functools.partial(direct.encoded, planes, branch)
            yield _encode(encoder, planes.size, branch.rendition, source.need)
        return
    keeps = any(rendition.output.metadata is not Metadata.STRIP for rendition in renditions)
    # The decoder may forget them.
    records = records_of(source.image) if keeps else NOTHING
    frame = decode(source, plan.draft, limits)
    yield facts_of(source, frame)
    start = _Start(frame, source.profile, engine)
    for branch, scaled in _scale(plan, start.scaled, start.reduced):
        finished = _finish(scaled, branch, engine)
        encoder = functools.partial(encode.encode, finished, branch.rendition.output, records)
        yield _encode(encoder, finished.size, branch.rendition, source.need)
    for rendition in moving:
        motion = animation.motion_of(data, rendition, limits, most_pixels, engine)
        first = motion.frames[0]
        encoder = functools.partial(encode.encode, first, rendition.output, records, motion)
        yield _encode(encoder, first.size, rendition, source.need)


def _scale(
    plan: Plan, scaled: Callable[[Branch], P], reduced: Callable[[P, Box, Branch], P]
) -> Iterator[tuple[Branch, P]]:
    """Make the scaled picture of every branch, keeping those that later ones start from.

    Args:
        plan: What to make.
        scaled: Makes that of a branch that starts from the source.
        reduced: Makes that of a branch from a part of a larger picture.
    """
    kept: dict[int, P] = {}
    for position, branch in enumerate(plan.branches):
        if branch.parent is None:
            picture = scaled(branch)
        else:
            parent, place = plan.branches[branch.parent].placement, branch.placement
            assert parent is not None and place is not None  # noqa: S101, PT018 - the plan's own rule
            larger = kept[branch.parent]
            picture = reduced(larger, map_box(place.box, parent.box, whole(larger.size)), branch)
        needed = {later.parent for later in plan.branches[position + 1 :]}
        kept = {other: image for other, image in {**kept, position: picture}.items() if other in needed}
        yield branch, picture


class _Start:
    """The decoded image; what the last steps ahead of a resize made of it is kept for the next branch."""

    def __init__(self, frame: Frame, profile: bytes | None, engine: Engine) -> None:
        self._frame = frame
        self._profile = profile
        self._engine = engine
        self._prepared: tuple[tuple[Step, ...], Image.Image] | None = None

    def scaled(self, branch: Branch) -> Image.Image:
        """Give the scaled image of a branch that starts here, in sRGB."""
        if branch.placement is not None and not branch.before:
            box = self._in_frame(branch.placement.box)
            image = resize.scale(self._frame.image, box, branch.placement.size, branch.resample, self._engine)
            return colour.to_srgb(image, self._profile)
        image = self._after_first_steps(branch)
        if branch.placement is None:
            return image
        placement = branch.placement
        return resize.scale(image, placement.box, placement.size, branch.resample, self._engine)

    def reduced(self, image: Image.Image, box: Box, branch: Branch) -> Image.Image:
        """Give the scaled image of a branch that starts from a larger one."""
        assert branch.placement is not None  # noqa: S101 - the plan's own rule
        return resize.scale(image, box, branch.placement.size, branch.resample, self._engine)

    def _in_frame(self, box: Box) -> Box:
        """Carry a box over from pixels of the source to those of a decode at reduced size."""
        return map_box(box, whole(self._frame.source_size), self._frame.box)

    def _after_first_steps(self, branch: Branch) -> Image.Image:
        if self._prepared is None or self._prepared[0] != branch.before:
            image = colour.to_srgb(self._frame.image, self._profile)
            for index, step in enumerate(branch.before):
                with naming(branch.rendition, index):
                    image = steps.apply(step, image, self._engine)
            self._prepared = (branch.before, image)
        return self._prepared[1]


def _finish(image: Image.Image, branch: Branch, engine: Engine) -> Image.Image:
    """Do what comes after the first resize."""
    if branch.placement is not None:
        image = resize.settle(image, branch.placement)
    for index, step in enumerate(branch.after, start=len(branch.before) + 1):
        with naming(branch.rendition, index):
            image = steps.apply(step, image, engine)
    return image


def _encode(encoder: Callable[[], bytes], size: Size, rendition: Rendition, need: int) -> Encoded:
    """Encode one rendition; `need` is the memory that all before has surely been enough with.

    Raises:
        ItemFailure: IMG_009, where the size target is out of reach.
        CodecFailure: IMG_005, for whatever an encoder raises that was not foreseen.
    """
    try:
        data = encoder()
    except MemoryError:
        raise
    except ItemFailure as failure:
        message = f"rendition {rendition.name!r}, output: {failure.message}"
        raise ItemFailure(failure.code, message) from None
    except Exception as error:
        form = rendition.output.format
        message = f"rendition {rendition.name!r}, output: cannot be encoded as {form}: {describe(error)}"
        need += pod_memory.encode_bytes(form, size)
        raise CodecFailure(ItemCode.STEP_FAILED, message, need) from error
    return Encoded(rendition.name, *size, data)
