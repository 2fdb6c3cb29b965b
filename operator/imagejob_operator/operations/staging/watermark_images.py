"""The images that watermarks use: found in the namespace's part of the store, copied to the staging."""

from __future__ import annotations

from imagejob_contract.order import MAX_WATERMARK_IMAGE_BYTES
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import Spec, watermark_image_keys
from imagejob_operator.documents.watermark_images import WatermarkImage, copy_key
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.staging.sources import no_object
from imagejob_operator.ports.object_store import ObjectChanged, ObjectMissing, ObjectStore, StoredObject

FIELD = "spec.renditions: watermark.image"


async def find_watermark_images(store: ObjectStore, job: ImageJob, spec: Spec) -> dict[str, StoredObject]:
    """All images that the watermarks of a job use, by their keys."""
    root = namespace_prefix(job.key.namespace)

    async def find(key: str) -> tuple[str, StoredObject]:
        try:
            stored = await store.stat(root + key)
        except ObjectMissing:
            raise no_object(FIELD, root, key) from None
        if stored.size > MAX_WATERMARK_IMAGE_BYTES:
            text = (
                f"{key!r} has {stored.size} bytes; at most {MAX_WATERMARK_IMAGE_BYTES} are allowed; use a "
                "smaller image"
            )
            raise _failed(Reason.SOURCE_TOO_LARGE, text)
        return key, stored

    return dict(await for_each(watermark_image_keys(spec.renditions), find))


async def copy_watermark_images(
    store: ObjectStore, prefix: str, found: dict[str, StoredObject]
) -> tuple[WatermarkImage, ...]:
    """Copy the images, as they were found, to the staging at `prefix`."""

    async def copy(one: tuple[int, tuple[str, StoredObject]]) -> WatermarkImage:
        position, (key, stored) = one
        try:
            copied = await store.copy(stored, copy_key(prefix, position))
        except (ObjectChanged, ObjectMissing):
            text = (
                f"{key!r} was changed or deleted while it was being staged; change spec.run.id to start a "
                "new run"
            )
            raise _failed(Reason.SOURCE_NOT_FOUND, text) from None
        return WatermarkImage(key, copied.etag, stored.etag)

    return tuple(await for_each(enumerate(found.items()), copy))


def _failed(reason: Reason, text: str) -> OperationFailed:
    return OperationFailed(Failure(Code.STAGING, reason, f"{FIELD}: {text}"))
