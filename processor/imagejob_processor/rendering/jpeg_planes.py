"""Straight: from a JPEG to smaller JPEGs without putting its colours together.

A JPEG keeps lightness and colours apart, and mostly only a quarter as many samples of the latter. Where
smaller JPEGs are all that is asked for, each plane is resampled by itself: nothing is converted to RGB and
back, and a picture takes a third of the memory. Anything else, a watermark or a colour profile among it,
needs RGB: `begin` then says so, and the usual way is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from imagejob_contract.output import Chroma, Format, Metadata
from imagejob_contract.recipe import Resample
from imagejob_processor.pixels import colour, encode, orient
from imagejob_processor.pixels.geometry import Box, Size, map_box, whole
from imagejob_processor.pixels.resampling import Engine
from imagejob_processor.pixels.turbojpeg import Planes, TurboJpeg, reduction
from imagejob_processor.rendering.plan import Branch, Plan
from imagejob_processor.rendering.source import Frame, Source
from imagejob_processor.steps import resize

_FACTORS = {Chroma.FULL: (1, 1), Chroma.HALF: (2, 1), Chroma.QUARTER: (2, 2)}
_GLANCE = 512
"""The longest side of what `glance` gives; no more is needed for facts."""


@dataclass(frozen=True)
class Straight:
    """A decoded JPEG as its planes, as stored: turned only when a rendition is made.

    Attributes:
        planes: In full, or reduced.
        box: The part of the lightness that is the picture, upright.
        source: What was decoded.
        engine: What resamples.
        codec: What encodes.
    """

    planes: Planes
    box: Box
    source: Source
    engine: Engine
    codec: TurboJpeg

    def scaled(self, branch: Branch) -> Planes:
        """Make the scaled picture of a branch that starts from the source."""
        assert branch.placement is not None  # noqa: S101 - `begin` has seen to it
        box = map_box(branch.placement.box, whole(self.source.upright_size), self.box)
        return self._resampled(self.planes, box, branch, self.source.orientation)

    def reduced(self, picture: Planes, box: Box, branch: Branch) -> Planes:
        """Make the scaled picture of a branch from the part `box` of a larger one, which is upright."""
        return self._resampled(picture, box, branch, 1)

    def encoded(self, picture: Planes, branch: Branch) -> bytes:
        """Encode; raises as `encode.encode`."""
        output = branch.rendition.output
        return encode.fitted(
            output, lambda quality: self.codec.encode(picture, quality, progressive=output.progressive)
        )

    def glance(self) -> Frame:
        """Give a small upright copy in RGB that was made of single samples."""
        longest = max(self.planes.size)
        size = self.planes.size
        if longest > _GLANCE:
            size = (max(1, size[0] * _GLANCE // longest), max(1, size[1] * _GLANCE // longest))
        thin = [image.resize(size, Image.Resampling.NEAREST) for image in self.planes.images]
        image = orient.upright(Image.merge("YCbCr", thin).convert("RGB"), self.source.orientation)
        return Frame(image, whole(image.size), self.source.upright_size)

    def _resampled(self, picture: Planes, box: Box, branch: Branch, orientation: int) -> Planes:
        """Resample a box, measured upright in pixels of lightness, of a picture that is yet to be turned."""
        assert branch.placement is not None  # noqa: S101 - as above
        size, factors = branch.placement.size, _factors(branch)
        back = orient.opposite(orientation)
        stored = orient.upright_box(box, orient.upright_size(picture.size, orientation), back)
        light, *colours = picture.images
        across, down = picture.factors
        part = (stored[0] / across, stored[1] / down, stored[2] / across, stored[3] / down)
        made = [self._turned(light, stored, size, orientation, branch.resample)]
        # The last sample of a side that is odd stands for less than the others: an average sees to that.
        left = (factors[0] if size[0] % factors[0] else 1, factors[1] if size[1] % factors[1] else 1)
        between = (size[0] * left[0] // factors[0], size[1] * left[1] // factors[1])
        for image in colours:
            turned = self._turned(image, part, between, orientation, branch.resample)
            made.append(turned if left == (1, 1) else turned.reduce(left))
        return Planes((made[0], made[1], made[2]), factors)

    def _turned(
        self, image: Image.Image, box: Box, size: Size, orientation: int, how: Resample
    ) -> Image.Image:
        scaled = resize.scale(image, box, orient.upright_size(size, orientation), how, self.engine)
        return orient.upright(scaled, orientation)


def begin(data: bytes, source: Source, plan: Plan, engine: Engine) -> Straight | None:
    """Decode, where all of the plan can be done this way; else None, and nothing has happened.

    Raises:
        MemoryError: There is not enough.
    """
    codec = engine.codec
    if codec is None or source.format != "JPEG" or source.image.mode != "RGB" or not plan.branches:
        return None
    if not all(map(_plain, plan.branches)) or len(set(map(_factors, plan.branches))) > 1:
        return None
    if not colour.is_srgb(source.profile, "RGB"):
        return None
    scale = reduction(source.size, plan.draft) if plan.draft else 1
    planes = codec.decode(data, source.size, scale)
    if planes is None:
        return None
    picture = (0.0, 0.0, source.size[0] / scale, source.size[1] / scale)
    box = orient.upright_box(picture, planes.size, source.orientation)
    return Straight(planes, box, source, engine, codec)


def _plain(branch: Branch) -> bool:
    """Tell whether one resize is all there is between the source and a JPEG of nothing but pixels."""
    place, output = branch.placement, branch.rendition.output
    if place is None or branch.before or branch.after or place.canvas != place.size:
        return False
    return output.format is Format.JPEG and output.metadata is Metadata.STRIP


def _factors(branch: Branch) -> tuple[int, int]:
    return _FACTORS[branch.rendition.output.chroma or Chroma.QUARTER]
