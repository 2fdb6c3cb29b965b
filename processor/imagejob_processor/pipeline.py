"""Pipeline: one source image in, all its renditions out. Bytes to bytes: no network, no files, no clock.

open      sniff, read the header, check the limits     nothing decoded yet
plan      sizes of every step of every rendition       refused before the decode
decode    once, reduced if all renditions allow it     upright, in a mode that can be resampled
scale     largest first, smaller ones from larger      then to sRGB, on the reduced image
finish    padding and the other steps                  never fed to another rendition
encode    explicit options, no metadata
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from imagejob_processor import animation, memory, steps
from imagejob_processor.contract import ImageFacts, ItemCode, ItemLimits, Rendition, Step
from imagejob_processor.facts import facts_of
from imagejob_processor.failure import CodecFailure, ItemFailure, describe
from imagejob_processor.plan import Branch, Plan, make_plan, naming
from imagejob_processor.recipe import Metadata
from imagejob_processor.source import Frame, decode, open_source
from imagejob_processor.steps import colour, encode, resize
from imagejob_processor.steps.engine import PILLOW, Engine
from imagejob_processor.steps.geometry import Box, map_box, whole
from imagejob_processor.steps.records import NOTHING, Records, records_of


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
    most_pixels = memory.work_pixels(renditions, limits)
    moving = animation.moving(source, renditions, limits)
    plan = make_plan(source.size, source.orientation, renditions, most_pixels)
    if moving:
        still = tuple(rendition for rendition in renditions if rendition not in moving)
        plan = make_plan(source.size, source.orientation, still, most_pixels)
    # The decoder may forget them.
    keeps = any(rendition.output.metadata is not Metadata.STRIP for rendition in renditions)
    records = records_of(source.image) if keeps else NOTHING
    frame = decode(source, plan.draft, limits)
    yield facts_of(source, frame)
    for branch, scaled in _scale(_Start(frame, source.profile, engine), plan, engine):
        finished = _finish(scaled, branch, engine)
        yield _encode(finished, branch.rendition, source.need, records)
    for rendition in moving:
        motion = animation.motion_of(data, rendition, limits, most_pixels, engine)
        yield _encode(motion.frames[0], rendition, source.need, records, motion)


def _scale(start: _Start, plan: Plan, engine: Engine) -> Iterator[tuple[Branch, Image.Image]]:
    """Make the scaled image of every branch, keeping those that later ones start from."""
    kept: dict[int, Image.Image] = {}
    for position, branch in enumerate(plan.branches):
        scaled = start.scaled(branch) if branch.parent is None else _reduced(branch, plan, kept, engine)
        needed = {later.parent for later in plan.branches[position + 1 :]}
        kept = {other: image for other, image in {**kept, position: scaled}.items() if other in needed}
        yield branch, scaled


def _reduced(branch: Branch, plan: Plan, kept: dict[int, Image.Image], engine: Engine) -> Image.Image:
    """Scale down from a larger rendition."""
    assert branch.parent is not None and branch.placement is not None  # noqa: S101, PT018 - the plan's own rule
    parent, image = plan.branches[branch.parent].placement, kept[branch.parent]
    assert parent is not None  # noqa: S101 - as above
    box = map_box(branch.placement.box, parent.box, whole(image.size))
    return resize.scale(image, box, branch.placement.size, branch.resample, engine)


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


def _encode(
    image: Image.Image,
    rendition: Rendition,
    need: int,
    records: Records,
    motion: encode.Motion | None = None,
) -> Encoded:
    """Encode one rendition; `need` is the memory that all before has surely been enough with.

    Raises:
        ItemFailure: IMG_009, where the size target is out of reach.
        CodecFailure: IMG_005, for whatever an encoder raises that was not foreseen.
    """
    try:
        data = encode.encode(image, rendition.output, records, motion)
    except MemoryError:
        raise
    except ItemFailure as failure:
        message = f"rendition {rendition.name!r}, output: {failure.message}"
        raise ItemFailure(failure.code, message) from None
    except Exception as error:
        form = rendition.output.format
        message = f"rendition {rendition.name!r}, output: cannot be encoded as {form}: {describe(error)}"
        need += memory.encode_bytes(form, image.size)
        raise CodecFailure(ItemCode.STEP_FAILED, message, need) from error
    return Encoded(rendition.name, image.width, image.height, data)
