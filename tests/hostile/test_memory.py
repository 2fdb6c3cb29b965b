"""A tenant creates many objects, each as large as the API server admits. The operator must not keep them."""

from __future__ import annotations

import base64
import gc
import json
import os
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from fakes.build import SPEC
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.handlers.watch import WatchHandlers

KIB = 1024
BYTES_PER_JOB = 20 * KIB
"""What the operator may keep of an ImageJob, whatever it contains; documented for administrators."""

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


def pod_template() -> dict[str, Any]:
    terms = [{"key": f"zone-{position}", "operator": "In", "values": ["a"]} for position in range(300)]
    return {"execution": {"podTemplate": {"affinity": {"nodeAffinity": terms}}}}


def pod_annotations() -> dict[str, Any]:
    return {"execution": {"podTemplate": {"annotations": {f"a{n}": "x" * 4096 for n in range(32)}}}}


def invalid() -> dict[str, Any]:
    """The schema admits it, the operator does not: the last file is not valid base64."""
    return inline_files(last=INLINE[:-1] + "!")


def body(number: int, spec: dict[str, Any], status: dict[str, Any]) -> str:
    metadata = {
        "namespace": "shop",
        "name": f"large-{number}",
        "uid": f"0000aaaa-1111-2222-3333-{number:012d}",
        "resourceVersion": "7",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "x" * 200 * KIB},
    }
    return json.dumps({"metadata": metadata, "spec": {**SPEC, "suspend": True, **spec}, "status": status})


async def kept_per_job(texts: Callable[[int], str], jobs: int) -> float:
    """The bytes that stay allocated for each job after its event."""
    seen = SeenVersions(lambda: 0.0, False)
    handlers = WatchHandlers(Cache(), WorkQueue(), lambda store, gone: None, read_attempt, seen, seen)

    async def see(number: int) -> None:
        event: Any = {"type": "ADDED", "object": json.loads(texts(number))}
        await handlers.on_imagejob(event)

    await see(jobs)  # so that caches of libraries do not count
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for number in range(jobs):
            await see(number)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(handlers.cache.seen()) == jobs + 1
    return (after - before) / jobs


@pytest.mark.parametrize(
    "spec", [inline_files, keys, urls, renditions, pod_template, pod_annotations, invalid]
)
async def test_the_content_of_a_spec_is_not_kept(spec: Callable[[], dict[str, Any]]) -> None:
    content = spec()
    kept = await kept_per_job(lambda number: body(number, content, {}), 20)
    assert kept < BYTES_PER_JOB, f"{kept / KIB:.0f} KiB are kept of each ImageJob"


async def test_400_suspended_jobs_of_512_kib_inline_data() -> None:
    """H1: they occupied 260 MiB in the cache, and the operator was killed at each start."""
    content = inline_files()
    kept = await kept_per_job(lambda number: body(number, content, {"phase": "Suspended"}), 400)
    assert kept < BYTES_PER_JOB, f"{kept / KIB:.0f} KiB are kept of each ImageJob"
