"""Watch events: ImageJobs, their Pods and ImageStores are recorded and queued. No rule lives here."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import kopf

from imagejob_operator.api.imagejob import Identity, parse_job
from imagejob_operator.api.imagestore import ImageStore, parse_store
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.naming.names import GROUP, LABEL_INSTALLATION, PLURAL, STORE_PLURAL, VERSION

log = logging.getLogger(__name__)


def class_of(body: dict[str, Any]) -> str:
    """`spec.class` of an ImageJob, also of an invalid one."""
    spec = body.get("spec")
    return str(spec.get("class", "")) if isinstance(spec, dict) else ""


@dataclass(frozen=True, slots=True)
class WatchHandlers:
    """Handlers of watch events. The versions of all events are noted, also of other installations' jobs.

    No exception leaves a handler: an object that cannot be processed is logged and counted as `failed`.
    """

    cache: Cache
    queue: WorkQueue
    imagestore_seen: Callable[[ImageStore, bool], None]
    read_attempt: Callable[[dict[str, Any]], tuple[Identity, Attempt] | None]
    job_versions: SeenVersions
    pod_versions: SeenVersions
    job_class: str = ""
    failed: Callable[[str], None] = lambda kind: None
    attempt_changed: Callable[[Attempt, Attempt], None] = lambda before, after: None

    def register(self, registry: kopf.OperatorRegistry, installation: str) -> None:
        """Register the handlers with Kopf."""
        kopf.on.event(GROUP, VERSION, STORE_PLURAL, registry=registry, id="imagestores")(self.on_imagestore)
        kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="imagejobs")(self.on_imagejob)
        labels = {LABEL_INSTALLATION: installation}
        kopf.on.event("", "v1", "pods", registry=registry, id="pods", labels=labels)(self.on_pod)

    async def on_imagejob(self, event: kopf.RawEvent, **_: Any) -> None:
        """Cache the job and queue it, unless another installation serves it."""
        with self._contained("ImageJob", event):
            uid = _note(self.job_versions, event)
            # Until it is parsed: a job that never is must not keep the cache from being in sync.
            self.cache.ignore_job(uid)
            body: dict[str, Any] = dict(event["object"])
            job = parse_job(body)
            if event["type"] == "DELETED":
                self.cache.drop_job(job.key, uid)
                self.queue.add(job.key)
            elif class_of(body) == self.job_class:
                self.cache.ignore_job(uid, gone=True)
                if self.cache.put_job(job):
                    self.queue.add(job.key)
            else:
                self.cache.put_foreign(job)

    async def on_pod(self, event: kopf.RawEvent, **_: Any) -> None:
        """Cache the attempt and queue its job."""
        with self._contained("Pod", event):
            _note(self.pod_versions, event)
            found = self.read_attempt(dict(event["object"]))
            if found is None:
                return
            if event["type"] == "DELETED":
                self.cache.drop_attempt(*found)
            elif before := self.cache.put_attempt(*found):
                self.attempt_changed(before, found[1])
            self.queue.add(found[0].key)

    async def on_imagestore(self, event: kopf.RawEvent, **_: Any) -> None:
        """Pass the ImageStore on."""
        with self._contained("ImageStore", event):
            self.imagestore_seen(parse_store(dict(event["object"])), event["type"] == "DELETED")

    @contextmanager
    def _contained(self, kind: str, event: kopf.RawEvent) -> Iterator[None]:
        try:
            yield
            # Kopf keeps the event until it has waited for the next one.
            event["object"].pop("spec", None)
            event["object"].pop("status", None)
        except Exception:
            metadata = event["object"].get("metadata")
            extra = {"kind": kind, "object": f"{metadata!r:.200}"}
            log.exception("cannot process an event of the watch", extra=extra)
            self.failed(kind)


def _note(versions: SeenVersions, event: kopf.RawEvent) -> str:
    """Note the version of the object; its uid."""
    metadata = event["object"]["metadata"]
    deleted = event["type"] == "DELETED"
    versions.note(metadata["namespace"], metadata["uid"], metadata["resourceVersion"], deleted)
    return metadata["uid"]
