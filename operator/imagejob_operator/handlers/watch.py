"""What happens in the cluster: ImageJobs and their Pods, recorded and queued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from imagejob_operator.core.api import GROUP, LABEL_INSTALLATION, LABEL_JOB, PLURAL, VERSION
from imagejob_operator.core.attempt import Attempt
from imagejob_operator.core.job import Key, parse_job
from imagejob_operator.loop.cache import Cache
from imagejob_operator.loop.queue import WorkQueue

ReadAttempt = Callable[[dict[str, Any]], tuple[str, Attempt] | None]


def register_watches(
    registry: kopf.OperatorRegistry,
    cache: Cache,
    queue: WorkQueue,
    read_attempt: ReadAttempt,
    installation: str,
) -> None:
    """Have Kopf tell the cache and the queue of every ImageJob and every Pod of ours."""

    async def imagejob_seen(event: kopf.RawEvent, **_: Any) -> None:
        job = parse_job(dict(event["object"]))
        if event["type"] == "DELETED":
            cache.drop_job(job.key, job.uid)
            queue.add(job.key)
        elif cache.put_job(job):
            queue.add(job.key)

    async def pod_seen(event: kopf.RawEvent, **_: Any) -> None:
        pod: dict[str, Any] = dict(event["object"])
        found = read_attempt(pod)
        if found is None:
            return
        job_uid, attempt = found
        if event["type"] == "DELETED":
            cache.drop_attempt(job_uid, attempt)
        else:
            cache.put_attempt(job_uid, attempt)
        queue.add(Key(pod["metadata"]["namespace"], pod["metadata"]["labels"][LABEL_JOB]))

    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="imagejobs")(imagejob_seen)
    kopf.on.event("", "v1", "pods", registry=registry, id="pods", labels={LABEL_INSTALLATION: installation})(
        pod_seen
    )
