"""Marks: the images that watermarks are made of. Each is staged once a run, for all its Pods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from imagejob_contract.recipe import Rendition, Step
from imagejob_contract.wire import Wire

WATERMARK_IMAGES_FOLDER = "marks/"


class WatermarkImage(Wire, frozen=True):
    """One of them: the user's key, the ETag of the copy, and what its bytes are known by."""

    key: str
    etag: str
    identity: str


def copy_key(prefix: str, position: int) -> str:
    """Where the copy of the image at a position among `watermark_image_keys` lies."""
    return f"{prefix}{WATERMARK_IMAGES_FOLDER}{position}"


def identified(renditions: Sequence[Rendition], identities: Mapping[str, str]) -> tuple[Rendition, ...]:
    """The renditions with what their images are known by in place of their keys: what outputs depend on."""

    def known(step: Step) -> Step:
        if step.watermark is None or step.watermark.image is None:
            return step
        image = identities.get(step.watermark.image, step.watermark.image)
        return msgspec.structs.replace(step, watermark=msgspec.structs.replace(step.watermark, image=image))

    return tuple(
        msgspec.structs.replace(rendition, steps=tuple(known(step) for step in rendition.steps))
        for rendition in renditions
    )
