"""What happens in the cluster: ImageJobs and their Pods, recorded and queued."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kopf

from imagejob_operator.api.imagejob import Key, parse_job
from imagejob_operator.api.imagestore import ImageStore, parse_store
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.naming.names import GROUP, LABEL_INSTALLATION, LABEL_JOB, PLURAL, STORE_PLURAL, VERSION

SeeStore = Callable[[ImageStore, bool], None]
ReadAttempt = Callable[[dict[str, Any]], tuple[str, Attempt] | None]


def class_of(body: dict[str, Any]) -> str:
    """Which installation serves an ImageJob; read from its body, so that a bad spec has one as well."""
    spec = body.get("spec")
    found = spec.get("class", "") if isinstance(spec, dict) else ""
    return str(found)


def register_watches(  # noqa: PLR0913  (one for each thing that is told of)
    registry: kopf.OperatorRegistry,
    cache: Cache,
    queue: WorkQueue,
    read_attempt: ReadAttempt,
    installation: str,
    job_class: str,
    see_store: SeeStore,
    seen_versions: tuple[SeenVersions, SeenVersions],
) -> None:
    """Have Kopf tell of every ImageJob, every Pod of ours, and every ImageStore.

    What is told of jobs and of Pods is noted in `seen_versions` as well, whoever's they are.
    """
    jobs_heard, pods_heard = seen_versions

    async def imagejob_seen(event: kopf.RawEvent, **_: Any) -> None:
        _note(jobs_heard, event)
        body: dict[str, Any] = dict(event["object"])
        job = parse_job(body)
        if event["type"] != "DELETED" and class_of(body) != job_class:
            cache.pass_over(job.uid)
            return
        if event["type"] == "DELETED":
            cache.drop_job(job.key, job.uid)
            queue.add(job.key)
        elif cache.put_job(job):
            queue.add(job.key)

    async def pod_seen(event: kopf.RawEvent, **_: Any) -> None:
        _note(pods_heard, event)
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

    async def store_seen(event: kopf.RawEvent, **_: Any) -> None:
        see_store(parse_store(dict(event["object"])), event["type"] == "DELETED")

    kopf.on.event(GROUP, VERSION, STORE_PLURAL, registry=registry, id="imagestores")(store_seen)
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="imagejobs")(imagejob_seen)
    kopf.on.event("", "v1", "pods", registry=registry, id="pods", labels={LABEL_INSTALLATION: installation})(
        pod_seen
    )


def _note(seen_versions: SeenVersions, event: kopf.RawEvent) -> None:
    metadata = event["object"]["metadata"]
    deleted = event["type"] == "DELETED"
    seen_versions.note(metadata["namespace"], metadata["uid"], metadata["resourceVersion"], deleted)
