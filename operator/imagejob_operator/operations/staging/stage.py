"""Staging: find the items, hold each of them still, write the manifest last."""

from __future__ import annotations

import asyncio

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.locations import StagingMode
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.documents.outputs import check_sources_stay, output_keys
from imagejob_operator.documents.staging import URLS_SLACK, Manifest
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.manifest import manifest_head, write_manifest, write_skipped
from imagejob_operator.operations.reports import unpublished_before
from imagejob_operator.operations.staging.copy import copy_all, refer
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.operations.staging.existing_outputs import plan_items
from imagejob_operator.operations.staging.sources import Found, find_sources
from imagejob_operator.operations.staging.watermark_images import (
    copy_watermark_images,
    find_watermark_images,
    with_identities,
)
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore
from imagejob_operator.ports.telemetry import Telemetry
from imagejob_operator.validation.keys import InvalidKey, KeyCollision

MAX_OUTPUTS = 320_000
"""Of one run: 10,000 items of 32 renditions, or 100,000 of 3; its report names each of them."""


async def stage(
    store: ObjectStore, downloader: Downloader, telemetry: Telemetry, job: ImageJob, operation: Stage
) -> Staged:
    """Stage all sources of a job; goes on from what the prefix already holds.

    Raises:
        EffortFailed: with JOB_001 or JOB_002.
        StoreError: when the store fails.
    """
    spec = job.spec
    assert not isinstance(spec, InvalidSpec)  # noqa: S101  (decide stages accepted jobs only)
    try:
        return _staged(await manifest_head(store, operation.prefix))
    except ObjectMissing:
        pass
    base = folder_of(spec.source.match.prefix) if spec.source.match else ""
    found = await find_items(store, job, spec, base, operation.prefix)
    watermark_images = await find_watermark_images(store, job, spec)
    plan = await plan_items(store, job, with_identities(spec, watermark_images), found, base)
    if spec.staging.mode is StagingMode.REFERENCE:
        items = refer(plan.wanted)
    else:
        items = await copy_all(store, downloader, telemetry, job, spec, operation.prefix, plan.wanted)
    begun = job.status.run.counted_from if job.status.run else None
    manifest = Manifest(
        tuple(items),
        base,
        urls_until=job.ends_at_the_latest(begun) + URLS_SLACK if begun else None,
        skipped=len(plan.skipped),
        watermark_images=await copy_watermark_images(store, operation.prefix, watermark_images),
    )
    await write_skipped(store, operation.prefix, plan.skipped)
    await write_manifest(store, operation.prefix, manifest)
    return _staged(manifest)


async def find_items(
    store: ObjectStore, job: ImageJob, spec: Spec, base: str, prefix: str = ""
) -> list[tuple[int, Found]]:
    """The sources that a run takes, each with its place among all, and with outputs in nobody's way.

    Args:
        store: where they are.
        job: whose they are.
        spec: what it wants.
        base: folder that `{dir}` of the key template is relative to.
        prefix: of the run's staging; without it nothing is written there.

    Raises:
        EffortFailed: with JOB_001 or JOB_002.
        StoreError: when the store fails.
    """
    found = list(enumerate(await find_sources(store, job, spec, prefix)))
    # All items are looked at, also by a run of some: an output must not take the key of another one's. Beside
    # the loop, since of a large run it takes seconds, in which the Lease must be renewed.
    await asyncio.to_thread(_check_outputs, spec, [source.name for _, source in found], base)
    return await _only_unpublished(store, job, found) if spec.run.items == "Failed" else found


def folder_of(prefix: str) -> str:
    """The folder part of a prefix, with its '/'."""
    return prefix[: prefix.rfind("/") + 1]


def _staged(manifest: Manifest) -> Staged:
    return Staged(
        items=manifest.count,
        objects=manifest.copies,
        bytes=manifest.bytes,
        skipped=manifest.skipped,
    )


def _check_outputs(spec: Spec, sources: list[str], base: str) -> None:
    destination = spec.destination
    if (count := len(sources) * len(spec.renditions)) > MAX_OUTPUTS:
        text = (
            f"spec.source: {len(sources)} items of {len(spec.renditions)} renditions give {count} outputs, "
            f"and a run may have {MAX_OUTPUTS}; split it into several jobs"
        )
        raise OperationFailed(Failure(Code.STAGING, Reason.TOO_MANY_ITEMS, text))
    listed = [spec.source.list.key] if spec.source.list else []
    try:
        keys = output_keys(sources, spec.renditions, destination.prefix, destination.key_template, base)
        if not (spec.source.inline or spec.source.urls):
            check_sources_stay([final.key for final in keys], [*sources, *listed], spec.source.match)
    except KeyCollision as error:
        raise OperationFailed(Failure(Code.CREATION, Reason.KEY_COLLISION, str(error))) from None
    except InvalidKey as error:
        raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, str(error))) from None


async def _only_unpublished(
    store: ObjectStore, job: ImageJob, found: list[tuple[int, Found]]
) -> list[tuple[int, Found]]:
    unpublished = await unpublished_before(store, job)
    left = [(place, source) for place, source in found if source.name in unpublished]
    if not left:
        text = "spec.run.items Failed: the run before left out none of these items; take All items"
        raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_EMPTY, text))
    return left
