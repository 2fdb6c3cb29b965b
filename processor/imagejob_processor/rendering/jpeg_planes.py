"""JPEG to JPEG without converting to RGB: each plane (Y, Cb, Cr) is resampled by itself.

Because of chroma subsampling, a JPEG mostly has only a quarter as many samples of Cb and Cr. Where all
renditions are resized JPEGs, skipping the conversion takes a third of the memory. Anything else, such as a
watermark or an ICC profile, needs RGB: `decode_planes` then returns None.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from imagejob_contract.output import Chroma, Format, Metadata
from imagejob_contract.recipe import Resample
from imagejob_processor.pixels import colour, orientation
from imagejob_processor.pixels.encode import encode_to_size
from imagejob_processor.pixels.geometry import Box, Size, full_box, map_box
from imagejob_processor.pixels.resampling import Engine
from imagejob_processor.pixels.turbojpeg import Planes, TurboJpeg, reduction
from imagejob_processor.rendering.plan import Branch, Plan
from imagejob_processor.rendering.source import Frame, Source
from imagejob_processor.steps import resize

_FACTORS = {Chroma.FULL: (1, 1), Chroma.HALF: (2, 1), Chroma.QUARTER: (2, 2)}
_PREVIEW_SIDE = 512
"""The longest side of `preview`; facts need no more."""


@dataclass(frozen=True)
class JpegPlanes:
    """The decoded planes of a JPEG, not yet rotated by its EXIF orientation.

    Attributes:
        planes: At full or reduced size.
        box: The part of the Y plane that is the image, after rotation.
        source: The source.
        engine: The resampling engine.
        codec: The JPEG codec.
    """

    planes: Planes
    box: Box
    source: Source
    engine: Engine
    codec: TurboJpeg

    def resize_source(self, branch: Branch) -> Planes:
        """Resize the source for a branch."""
        assert branch.placement is not None  # noqa: S101 - `_is_plain_resize`
        box = map_box(branch.placement.box, full_box(self.source.oriented_size), self.box)
        return self._resample(self.planes, box, branch, self.source.orientation)

    def resize_rendition(self, planes: Planes, box: Box, branch: Branch) -> Planes:
        """Resize the part `box` of a larger rendition, which is upright, for a branch."""
        return self._resample(planes, box, branch, 1)

    def encode(self, planes: Planes, branch: Branch) -> bytes:
        """Encode; raises as `encode_to_size`."""
        output = branch.rendition.output
        return encode_to_size(
            output, lambda quality: self.codec.encode(planes, quality, progressive=output.progressive)
        )

    def preview(self) -> Frame:
        """Return a small upright copy in RGB, by nearest-neighbour sampling."""
        longest = max(self.planes.size)
        size = self.planes.size
        if longest > _PREVIEW_SIDE:
            size = (max(1, size[0] * _PREVIEW_SIDE // longest), max(1, size[1] * _PREVIEW_SIDE // longest))
        thin = [image.resize(size, Image.Resampling.NEAREST) for image in self.planes.images]
        image = orientation.apply(Image.merge("YCbCr", thin).convert("RGB"), self.source.orientation)
        return Frame(image, full_box(image.size), self.source.oriented_size)

    def _resample(self, planes: Planes, box: Box, branch: Branch, exif: int) -> Planes:
        """Resample `box`, in upright pixels of the Y plane, and apply the orientation."""
        assert branch.placement is not None  # noqa: S101 - `_is_plain_resize`
        size, factors = branch.placement.size, _factors(branch)
        inverse = orientation.inverse(exif)
        stored = orientation.oriented_box(box, orientation.oriented_size(planes.size, exif), inverse)
        luma, *chroma = planes.images
        across, down = planes.factors
        chroma_box = (stored[0] / across, stored[1] / down, stored[2] / across, stored[3] / down)
        made = [self._resample_plane(luma, stored, size, exif, branch.resample)]
        # The last chroma sample of an odd side covers fewer pixels than the others, so that side is averaged.
        averaged = (factors[0] if size[0] % factors[0] else 1, factors[1] if size[1] % factors[1] else 1)
        between = (size[0] * averaged[0] // factors[0], size[1] * averaged[1] // factors[1])
        for image in chroma:
            plane = self._resample_plane(image, chroma_box, between, exif, branch.resample)
            made.append(plane if averaged == (1, 1) else plane.reduce(averaged))
        return Planes((made[0], made[1], made[2]), factors)

    def _resample_plane(
        self, plane: Image.Image, box: Box, size: Size, exif: int, how: Resample
    ) -> Image.Image:
        scaled = resize.scale(plane, box, orientation.oriented_size(size, exif), how, self.engine)
        return orientation.apply(scaled, exif)


def decode_planes(data: bytes, source: Source, plan: Plan, engine: Engine) -> JpegPlanes | None:
    """Decode the planes of a JPEG; None if the plan needs RGB.

    Raises:
        MemoryError: The planes need too much memory.
    """
    codec = engine.codec
    if codec is None or source.format != "JPEG" or source.image.mode != "RGB" or not plan.branches:
        return None
    if not all(map(_is_plain_resize, plan.branches)) or len(set(map(_factors, plan.branches))) > 1:
        return None
    if not colour.is_srgb(source.profile, "RGB"):
        return None
    scale = reduction(source.size, plan.draft) if plan.draft else 1
    planes = codec.decode(data, source.size, scale)
    if planes is None:
        return None
    image_box = (0.0, 0.0, source.size[0] / scale, source.size[1] / scale)
    box = orientation.oriented_box(image_box, planes.size, source.orientation)
    return JpegPlanes(planes, box, source, engine, codec)


def _is_plain_resize(branch: Branch) -> bool:
    """Whether the rendition is a JPEG without metadata, made by one resize."""
    place, output = branch.placement, branch.rendition.output
    if place is None or branch.before or branch.after or place.canvas != place.size:
        return False
    return output.format is Format.JPEG and output.metadata is Metadata.STRIP


def _factors(branch: Branch) -> tuple[int, int]:
    return _FACTORS[branch.rendition.output.chroma or Chroma.QUARTER]
