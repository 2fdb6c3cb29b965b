"""The images that watermarks use. Each is copied once per run, for all its Pods."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from imagejob_contract.recipe import Rendition, Step
from imagejob_contract.wire import Wire
from imagejob_operator.api.spec import Spec


class WatermarkImage(Wire, frozen=True):
    """One image: the user's key, the ETag of the copy, and the ETag of the original."""

    key: str
    etag: str
    identity: str


def copy_key(prefix: str, position: int) -> str:
    """The key of the copy of the image at a position among `watermark_image_keys`."""
    return f"{prefix}watermarks/{position}"


def identified(spec: Spec, etags: Mapping[str, str]) -> Spec:
    """The spec with the ETags of watermark images in place of their keys, since outputs depend on those."""

    def in_step(step: Step) -> Step:
        if step.watermark is None or step.watermark.image is None:
            return step
        image = etags.get(step.watermark.image, step.watermark.image)
        return msgspec.structs.replace(step, watermark=msgspec.structs.replace(step.watermark, image=image))

    def in_rendition(rendition: Rendition) -> Rendition:
        return msgspec.structs.replace(rendition, steps=tuple(in_step(step) for step in rendition.steps))

    return msgspec.structs.replace(spec, renditions=tuple(in_rendition(r) for r in spec.renditions))
