"""Jobs of each kind, and their final state."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from e2e.killing.kinds import BROKEN, KEYS, KINDS, PHOTOS, Kind
from e2e.killing.verdict import Seen
from e2e.world import GROUP, PLURAL, VERSION, Job, Shop, image_job


def create(shop: Shop, kind: Kind, name: str, **execution: Any) -> None:
    """Create a job of two Pods at once, one for each photo."""
    spec: dict[str, Any] = dict(kind.spec)
    destination = {"prefix": f"out/{name}/", **spec.pop("destination", {})}
    execution = {"itemsPerPod": 1, "parallelism": 2, **spec.pop("execution", {}), **execution}
    source = {"keys": [*kind.keys]}
    body = image_job(source, name=name, destination=destination, execution=execution, **spec)
    shop.world.objects.create_namespaced_custom_object(GROUP, VERSION, shop.name, PLURAL, body)


def jobs(shop: Shop) -> dict[str, Job]:
    """All jobs of the namespace, by name."""
    found = shop.world.objects.list_namespaced_custom_object(GROUP, VERSION, shop.name, PLURAL)["items"]
    return {job["metadata"]["name"]: job for job in found}


def undisturbed(shop: Shop) -> dict[str, str]:
    """Upload the sources; returns the outputs of an undisturbed run."""
    shop.upload_photos(*PHOTOS)
    shop.upload(BROKEN, b"not an image")
    create(shop, KINDS[0], "calm")
    shop.await_end("calm")
    found = outputs(shop, "calm")
    assert len(found) == len(KEYS), found
    return found


def outputs(shop: Shop, name: str) -> dict[str, str]:
    """The outputs of a job, each with its hash, by the key below the job's prefix."""
    store, prefix = shop.world.store, f"{shop.name}/out/{name}/"
    found = store.client.list_objects(store.bucket, prefix=prefix, recursive=True)
    return {(o.object_name or "").removeprefix(prefix): o.etag or "" for o in found}


def look(shop: Shop, name: str, job: Job | None, pods: Sequence[str]) -> Seen:
    """The final state of a job; `pods` are all Pods that were created in the namespace."""
    report = shop.report(job) if job and job["status"].get("report") else {}
    if job:
        with contextlib.suppress(AssertionError):
            shop.await_events(name, seconds=60)
    events = [event.reason for event in shop.events(name)]
    return Seen(name, job, outputs(shop, name), report, events, pods)
