"""A tenant creates many objects, each as large as the API server admits. The operator must not keep them."""

from __future__ import annotations

import base64
import gc
import json
import os
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from fakes.build import SPEC, UID
from imagejob_operator.adapters.kubernetes.metadata_list import KubeMetadataLister
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.adapters.kubernetes.session import decode
from imagejob_operator.api.errors import MAX_MESSAGE
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import ImageStore
from imagejob_operator.api.status import MAX_SHARDS
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.handlers.watch import WatchHandlers
from imagejob_operator.naming.names import LABEL_ATTEMPT, LABEL_EPOCH, LABEL_JOB, LABEL_RUN, LABEL_SHARD

KIB = 1024
BYTES_PER_JOB = 10 * KIB
"""What the operator may keep of an ImageJob without a status, whatever it contains."""
BYTES_PER_STATUS = 80 * KIB
BYTES_PER_POD = 5 * KIB
BYTES_PER_STORE = 40 * KIB

Handler = Callable[[Any], Awaitable[None]]

INLINE = base64.b64encode(os.urandom(64 * KIB)).decode()
LONG = "k" * 500


def inline_files(last: str = INLINE) -> dict[str, Any]:
    names = [f"{position}.png" for position in range(8)]
    return {
        "source": {
            "inline": [{"name": name, "data": INLINE} for name in names[1:]]
            + [{"name": "0.png", "data": last}]
        }
    }


def keys() -> dict[str, Any]:
    return {"source": {"keys": [f"{LONG}-{position}.jpg" for position in range(1000)]}}


def urls() -> dict[str, Any]:
    return {
        "source": {
            "urls": [{"url": f"https://example.com/{LONG * 3}/{position}.jpg"} for position in range(256)]
        }
    }


def renditions() -> dict[str, Any]:
    steps = [{"watermark": {"image": f"{LONG}{step}"}} for step in range(8)]
    output = {"format": "WebP"}
    return {"renditions": [{"name": f"r{n}", "steps": steps, "output": output} for n in range(32)]}


def headers() -> dict[str, Any]:
    metadata = {f"name-{n}": "v" * 128 for n in range(8)}
    return {
        "destination": {"headers": {"metadata": metadata, "tags": {f"tag{n}": "v" * 256 for n in range(10)}}}
    }


def pod_template() -> dict[str, Any]:
    terms = [{"key": f"zone-{position}", "operator": "In", "values": ["a"]} for position in range(300)]
    return {"execution": {"podTemplate": {"affinity": {"nodeAffinity": terms}}}}


def pod_annotations() -> dict[str, Any]:
    return {"execution": {"podTemplate": {"annotations": {f"a{n}": "x" * 4096 for n in range(32)}}}}


def invalid() -> dict[str, Any]:
    """The schema admits it, the operator does not: the last file is not valid base64."""
    return inline_files(last=INLINE[:-1] + "!")


def body(number: int, spec: dict[str, Any], status: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    named = {
        "namespace": "shop",
        "name": f"large-{number}",
        "uid": f"0000aaaa-1111-2222-3333-{number:012d}",
        "resourceVersion": "7",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 200 * KIB},
        **metadata,
    }
    return {"metadata": named, "spec": {**SPEC, "suspend": True, **spec}, "status": status}


class Bench:
    """The handlers of the watches, and what they keep."""

    def __init__(self) -> None:
        self.seen, self.cache = SeenVersions(lambda: 0.0, False), Cache()
        self.stores: dict[Key, ImageStore] = {}
        self.handlers = WatchHandlers(
            self.cache, WorkQueue(), self._imagestore_seen, read_attempt, self.seen, self.seen
        )

    def _imagestore_seen(self, store: ImageStore, gone: bool) -> None:
        self.stores[store.key] = store

    async def kept(self, see: Handler, bodies: Callable[[int], dict[str, Any]], objects: int) -> float:
        """The bytes that stay allocated for each object after its event."""
        texts = [json.dumps(bodies(number)) for number in range(min(objects, 20))]

        async def deliver(number: int) -> None:
            text = (
                texts[number % len(texts)]
                .replace('"large-', f'"large-{number}-')
                .replace("0000aaaa", f"{number:08x}")
            )
            event: Any = {"type": "ADDED", "object": json.loads(text)}
            await see(event)

        await deliver(objects)  # so that caches of libraries do not count
        gc.collect()
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            for number in range(objects):
                await deliver(number)
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert len(self.seen.versions) in (0, objects + 1)
        return (after - before) / objects


@pytest.mark.parametrize(
    "spec", [inline_files, keys, urls, renditions, headers, pod_template, pod_annotations, invalid]
)
async def test_the_content_of_a_spec_is_not_kept(spec: Callable[[], dict[str, Any]]) -> None:
    bench, content = Bench(), spec()
    kept = await bench.kept(bench.handlers.on_imagejob, lambda number: body(number, content, {}), 20)
    assert len(list(bench.cache.jobs())) == 21
    assert kept < BYTES_PER_JOB, f"{kept / KIB:.0f} KiB are kept of each ImageJob"


@pytest.mark.timeout(240)
async def test_400_suspended_jobs_of_512_kib_inline_data() -> None:
    """H1: they occupied 260 MiB in the cache, and the operator was killed at each start."""
    bench, content = Bench(), inline_files()
    suspended = {"phase": "Suspended"}
    kept = await bench.kept(bench.handlers.on_imagejob, lambda number: body(number, content, suspended), 400)
    assert kept < BYTES_PER_JOB, f"{kept / KIB:.0f} KiB are kept of each ImageJob"


async def test_the_finalizers_of_others_are_not_kept() -> None:
    names = [f"example.com/{LONG}-{position}" for position in range(1000)]
    bench = Bench()
    kept = await bench.kept(
        bench.handlers.on_imagejob, lambda number: body(number, {}, {}, finalizers=names), 20
    )
    assert kept < BYTES_PER_JOB, f"{kept / KIB:.0f} KiB are kept of each ImageJob"


async def test_the_largest_status_is_within_the_bound_of_one() -> None:
    """Jobs that fail have large statuses, which the operator writes itself."""
    bench = Bench()
    kept = await bench.kept(bench.handlers.on_imagejob, lambda number: body(number, {}, largest_status()), 20)
    assert kept < BYTES_PER_STATUS, f"{kept / KIB:.0f} KiB are kept of each ImageJob"


def largest_status() -> dict[str, Any]:
    """The longest lists and texts that the operator writes."""
    moment = "2026-01-01T12:00:00Z"
    run = {"id": "1", "number": 7, "epoch": 1, "startedAt": moment, "outcome": "x" * 30}
    attempts = ",".join(f"{shard}={shard % 2 + 1}+{shard % 2 + 1}" for shard in range(MAX_SHARDS))
    condition = {"status": "True", "reason": "r" * 60, "message": "m" * MAX_MESSAGE}
    times = {"lastTransitionTime": moment, "observedGeneration": 1}
    past = {"id": "1", "number": 1, "phase": "Failed", "report": "r" * 300, "startedAt": moment}
    return {
        "phase": "Suspended",
        "run": {**run, "shards": {"total": MAX_SHARDS, "attempts": attempts}},
        "conditions": [{**condition, **times, "type": f"Type{n}"} for n in range(5)],
        "failures": [
            {"item": "i" * 1024, "code": "IMG_001", "message": "m" * MAX_MESSAGE} for _ in range(10)
        ],
        "history": [past] * 5,
    }


async def test_of_a_pod_only_an_attempt_is_kept() -> None:
    """Pods of the job's namespace, which a tenant may create, with labels of ours."""
    labels = dict.fromkeys((LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT), "1")
    metadata = {
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "labels": {LABEL_JOB: "spring", **labels},
        "ownerReferences": [{"uid": UID, "controller": True, "kind": "ImageJob", "name": "spring"}],
    }
    container = {"name": "processor", "env": [{"name": f"E{n}", "value": "v" * 1000} for n in range(500)]}
    waiting = {"reason": "ErrImagePull", "message": "m" * 500 * KIB}
    status = {
        "phase": "Pending",
        "containerStatuses": [{"name": "processor", "state": {"waiting": waiting}}],
    }

    def pod(number: int) -> dict[str, Any]:
        made = body(number, {}, status, **metadata)
        return {**made, "spec": {"containers": [container]}}

    bench = Bench()
    kept = await bench.kept(bench.handlers.on_pod, pod, 20)
    assert kept < BYTES_PER_POD, f"{kept / KIB:.1f} KiB are kept of each Pod"


@pytest.mark.parametrize("auth", [{"secretRef": {"name": "media-store"}}, {}], ids=["valid", "invalid"])
async def test_of_an_imagestore_at_most_its_ca_bundle_is_kept(auth: dict[str, Any]) -> None:
    spec = {
        "endpoint": "s3.example.com",
        "bucket": "media",
        "auth": auth,
        "tls": {"caBundle": "c" * 32 * KIB},
    }

    def store(number: int) -> dict[str, Any]:
        return {**body(number, {}, {}), "spec": spec}

    bench = Bench()
    kept = await bench.kept(bench.handlers.on_imagestore, store, 20)
    assert len(bench.stores) == 21
    assert kept < BYTES_PER_STORE, f"{kept / KIB:.0f} KiB are kept of each ImageStore"


class Server:
    """An API server with 50 ImageJobs that have large annotations and many labels."""

    def __init__(self) -> None:
        labels = {f"label-{number}": "" for number in range(10_000)}
        self.pages: list[bytes] = []
        for page in range(5):
            items = [body(number, {}, {}, labels=labels) for number in range(page * 10, page * 10 + 10)]
            metadata = {"continue": str(page + 1) if page < 4 else ""}
            listed = {"metadata": metadata, "items": [{"metadata": item["metadata"]} for item in items]}
            self.pages.append(json.dumps(listed).encode())

    async def request(
        self, verb: str, path: str, accept: str, only: type[msgspec.Struct] | None
    ) -> dict[str, Any]:
        """One page."""
        page = int(path.rpartition("continue=")[2]) if "continue=" in path else 0
        return decode(self.pages[page], only)


async def test_of_lists_of_metadata_only_what_is_needed_is_decoded() -> None:
    """Annotations and labels may have a MiB, and the watch monitor lists all objects every 25 seconds."""
    server: Any = Server()
    lister, owners = KubeMetadataLister(server, "default"), KubeOwners(server)
    for listing in (lister.jobs, owners.uids):
        tracemalloc.start()
        try:
            assert len(await listing(())) == 50
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 200 * KIB, f"{peak / KIB:.0f} KiB for 50 objects"


async def test_kopf_does_not_keep_what_was_handled() -> None:
    """Kopf keeps the last event of an object for as long as it waits for the next one."""
    bench = Bench()
    event: Any = {"type": "MODIFIED", "object": body(1, inline_files(), {"phase": "Suspended"})}
    await bench.handlers.on_imagejob(event)
    assert set(event["object"]) == {"metadata"}
    (job,) = bench.cache.jobs()
    assert job.raw_status == {"phase": "Suspended"}
