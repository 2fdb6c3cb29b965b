"""Manifests that are applied again, on a real API server: nothing differs, and large ones can be applied."""

from __future__ import annotations

import base64
import copy
import json
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from architecture.test_gitops import MANIFESTS, PAGE, merged
from cluster.conftest import GROUP, PLURAL, VERSION, Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

PLURALS = {"ImageJob": PLURAL, "ImageStore": "imagestores"}
APPLY = {"client-side": ("apply",), "server-side": ("apply", "--server-side")}
RENDITIONS = [{"name": "web", "output": {"format": "WebP"}}]
LARGE: dict[str, dict[str, Any]] = {
    "inline": {
        "inline": [{"name": f"{n}.png", "data": base64.b64encode(bytes(65536)).decode()} for n in range(8)]
    },
    "keys": {"keys": [f"{n:04d}/" + "x" * 502 + ".jpg" for n in range(1000)]},
    "urls": {"urls": [{"url": f"https://images.example/{n:03d}/" + "x" * 2016} for n in range(256)]},
}
"""The largest sources that the schema admits."""


class Repository:
    """A manifest in a file, as GitOps applies it to a namespace."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path, manifest: dict[str, Any]) -> None:
        self._cluster = cluster
        self.manifest = copy.deepcopy(manifest)
        self.manifest["metadata"] |= {"name": f"git-{uuid.uuid4().hex[:8]}", "namespace": namespace}
        self._file = folder / "manifest.json"
        self._file.write_text(json.dumps(self.manifest))

    def kubectl(self, *arguments: str) -> tuple[int, str]:
        done = self._cluster.kubectl(*arguments, "-f", str(self._file))
        return done.returncode, done.stdout + done.stderr

    def live(self) -> dict[str, Any]:
        metadata = self.manifest["metadata"]
        plural = PLURALS[self.manifest["kind"]]
        found: dict[str, Any] = self._cluster.objects.get_namespaced_custom_object(
            GROUP, VERSION, metadata["namespace"], plural, metadata["name"]
        )
        return found

    def operate(self) -> None:
        """Write what the operator writes: a finalizer and a status."""
        metadata, plural = self.manifest["metadata"], PLURALS[self.manifest["kind"]]
        place = (GROUP, VERSION, metadata["namespace"], plural, metadata["name"])
        objects = self._cluster.objects
        if plural == PLURAL:
            objects.patch_namespaced_custom_object(*place, {"metadata": {"finalizers": [f"{GROUP}/staging"]}})
        objects.patch_namespaced_custom_object_status(*place, {"status": {"observedGeneration": 1}})

    def remove(self) -> None:
        metadata, plural = self.manifest["metadata"], PLURALS[self.manifest["kind"]]
        place = (GROUP, VERSION, metadata["namespace"], plural, metadata["name"])
        with suppress(client.ApiException):
            self._cluster.objects.patch_namespaced_custom_object(*place, {"metadata": {"finalizers": None}})
            self._cluster.objects.delete_namespaced_custom_object(*place)


@pytest.fixture
def repository(
    request: pytest.FixtureRequest, cluster: Cluster, namespace: str, tmp_path: Path
) -> Iterator[Repository]:
    made = Repository(cluster, namespace, tmp_path, request.param)
    yield made
    made.remove()


@pytest.mark.parametrize("how", APPLY)
@pytest.mark.parametrize("repository", MANIFESTS, indirect=True)
def test_an_example_that_is_applied_again_changes_nothing(repository: Repository, how: str) -> None:
    code, answer = repository.kubectl(*APPLY[how])
    assert code == 0, answer
    repository.operate()
    first = repository.live()
    code, answer = repository.kubectl("diff", *APPLY[how][1:])
    assert (code, answer) == (0, "")
    code, answer = repository.kubectl(*APPLY[how])
    assert code == 0, answer
    again = repository.live()
    assert again["metadata"]["generation"] == first["metadata"]["generation"] == 1
    assert again["metadata"]["managedFields"] == first["metadata"]["managedFields"]
    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    assert merged(again, repository.manifest) == again, "Argo CD would show a difference"


def _large(source: dict[str, Any]) -> dict[str, Any]:
    spec = {"suspend": True, "source": source, "renditions": RENDITIONS}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "ImageJob", "metadata": {}, "spec": spec}


@pytest.mark.parametrize(
    "repository", [_large(source) for source in LARGE.values()], ids=LARGE, indirect=True
)
def test_the_largest_manifests_need_server_side_apply(repository: Repository) -> None:
    code, answer = repository.kubectl("apply")
    message = "metadata.annotations: Too long: may not be more than 262144 bytes"
    assert code != 0
    assert message in answer
    assert message in PAGE.read_text()
    for _ in range(2):
        code, answer = repository.kubectl("apply", "--server-side")
        assert code == 0, answer
    assert repository.live()["metadata"]["generation"] == 1
