"""The operator writes the status and its finalizer of an ImageJob: nothing that a manifest holds."""

from __future__ import annotations

from typing import Any

from fakes.build import NOW, job, status
from imagejob_operator.adapters.kubernetes.imagejobs import KubeImageJobs
from imagejob_operator.api.phase import Phase

OBJECT = "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs/"


class Recording:
    """An API server that accepts every write and remembers it."""

    def __init__(self) -> None:
        self.writes: list[tuple[str, Any]] = []

    async def request(
        self, verb: str, path: str, body: Any = None, content_type: str = "", accept: str = ""
    ) -> dict[str, Any]:
        assert verb == "PATCH"
        assert accept.startswith("application/json;as=PartialObjectMetadata;")
        self.writes.append((path, body))
        metadata = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "8", "generation": 1}
        return {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}


def written_fields(path: str, body: Any) -> set[str]:
    """The fields of the object that a patch writes; the version and uid in it are conditions."""
    if isinstance(body, list):
        return {one["path"].split("/")[2] for one in body if one["op"] != "test"}
    return {name for name in body if name != "metadata"} | set(body["metadata"]) - {"resourceVersion", "uid"}


async def test_writes_touch_the_status_and_the_finalizers_only() -> None:
    server = Recording()
    jobs = KubeImageJobs(server, lambda: NOW)  # type: ignore[arg-type]
    await jobs.add_finalizer(job(guarded=False))
    await jobs.remove_finalizer(job(guarded=True))
    await jobs.write_status(job(), status(Phase.RUNNING))
    found = [
        (path.startswith(OBJECT), path.endswith("/status"), written_fields(path, b))
        for path, b in server.writes
    ]
    finalizers = (True, False, {"finalizers"})
    assert found == [finalizers, finalizers, (True, True, {"status"})]


def test_a_written_label_is_found() -> None:
    body = {"metadata": {"uid": "u", "labels": {"seen": "yes"}}, "status": {}}
    assert written_fields("", body) == {"labels", "status"}
