"""The images of watermarks: found below the namespace's part of the store, and copied into the staging."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagejob_contract.order import MAX_WATERMARK_IMAGE_BYTES
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.locations import watermark_image_keys
from imagejob_operator.api.spec import Spec
from imagejob_operator.documents.watermark_images import WatermarkImage, copy_key, identified
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import ObjectChanged, ObjectMissing, ObjectStore, StoredObject


async def find_watermark_images(store: ObjectStore, job: ImageJob, spec: Spec) -> dict[str, StoredObject]:
    """Look at all images that the watermarks of a job are made of, by their keys.

    Raises:
        EffortFailed: JOB_002, for one that is not there or too large.
        StoreError: when the store fails.
    """
    root = namespace_prefix(job.key.namespace)

    async def look(key: str) -> StoredObject:
        try:
            stored = await store.stat(root + key)
        except ObjectMissing:
            raise _gone(root, key) from None
        if stored.size > MAX_WATERMARK_IMAGE_BYTES:
            text = (
                f"watermark.image: {key!r} has {stored.size} bytes, {MAX_WATERMARK_IMAGE_BYTES} are allowed"
            )
            raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_TOO_LARGE, text))
        return stored

    keys = watermark_image_keys(spec.renditions)
    return dict(zip(keys, await for_each(keys, look), strict=True))


async def copy_watermark_images(
    store: ObjectStore, prefix: str, found: dict[str, StoredObject]
) -> tuple[WatermarkImage, ...]:
    """Copy them below `prefix`, as they were when they were looked at.

    Raises:
        EffortFailed: JOB_002/SourceNotFound, for one that was changed or removed meanwhile.
        StoreError: when the store fails.
    """

    async def copy(one: tuple[int, tuple[str, StoredObject]]) -> WatermarkImage:
        position, (key, stored) = one
        try:
            copied = await store.copy(stored, copy_key(prefix, position))
        except (ObjectChanged, ObjectMissing):
            text = f"watermark.image: {key!r} was changed or removed while it was being staged; run it again"
            raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)) from None
        return WatermarkImage(key, copied.etag, stored.etag)

    items: Sequence[tuple[int, tuple[str, StoredObject]]] = list(enumerate(found.items()))
    return tuple(await for_each(items, copy))


def with_identities(spec: Spec, found: dict[str, StoredObject]) -> Spec:
    """The spec with ETags in place of the images' keys: what its outputs depend on."""
    identities = {key: stored.etag for key, stored in found.items()}
    return msgspec.structs.replace(spec, renditions=identified(spec.renditions, identities))


def _gone(root: str, key: str) -> OperationFailed:
    text = f"watermark.image: there is no object {key!r} below {root!r}; put it there or correct it"
    return OperationFailed(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text))
