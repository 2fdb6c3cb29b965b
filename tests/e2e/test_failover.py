"""The production overlay: two replicas; when the one in charge dies, freezes or stops, the other goes on.

It is applied as its users do: from an overlay of their own that sets images and store.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from demo.stack import NAMESPACE, OPERATOR
from e2e.world import Shop, World, image_job, process_of, until, verdict
from localcluster.paths import repository

TAKEOVER = 20
GRACEFUL = 3
LEASE = "imagejob-production"
SMALL_NODE = {
    "op": "replace",
    "path": "/spec/template/spec/containers/0/resources/requests/cpu",
    "value": "50m",
}
"""On a node of two CPUs a replica with half of one would preempt the Pods of the jobs."""

OVERLAYS = repository() / "manifests" / "overlays"


def own_overlay(folder: Path) -> dict[str, Any]:
    """What users write over the production overlay: here with the images and the store of the demo one."""
    demo = yaml.safe_load((OVERLAYS / "demo" / "kustomization.yaml").read_text())
    settings = [text for text in demo["configMapGenerator"][0]["literals"] if "INSTALLATION" not in text]
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAMESPACE,
        "resources": [os.path.relpath(OVERLAYS / "production", folder)],
        "configMapGenerator": [{"name": OPERATOR, "behavior": "merge", "literals": settings}],
        "images": [
            {"name": "registry.example.com/imagejob-operator", **_place(demo["images"][0])},
        ],
        "patches": [{"target": {"kind": "Deployment", "name": OPERATOR}, "patch": json.dumps([SMALL_NODE])}],
    }


def _place(image: dict[str, str]) -> dict[str, str]:
    return {name: image[name] for name in ("newName", "newTag")}


@pytest.fixture(scope="module")
def production(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The production overlay instead of the demo one; the store stays."""
    folder = tmp_path_factory.mktemp("overlay").resolve()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(own_overlay(folder)))
    apply = ("apply", "--server-side", "--force-conflicts", "-k")
    try:
        world.kubectl(*apply, str(folder))
        world.await_operator()
        yield
    finally:
        # What it adds beside the Deployment's own fields goes with it; they are told anew.
        world.kubectl("delete", "pdb,deployment", OPERATOR, "-n", NAMESPACE, "--ignore-not-found")
        world.kubectl(*apply, str(OVERLAYS / "demo"))
        world.reset_operator()


class Replicas:
    """The operator with two replicas, and who of them is in charge."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._leases = client.CoordinationV1Api(world.api)

    def await_both(self) -> None:
        """Wait until both are there and ready."""
        self._world.await_operator()
        until("two replicas are ready", lambda: self._ready() == 2, TAKEOVER)

    def _ready(self) -> int:
        apps = client.AppsV1Api(self._world.api)
        return apps.read_namespaced_deployment(OPERATOR, NAMESPACE).status.ready_replicas or 0

    def holder(self) -> str:
        """The name of its Pod; '' if there is none."""
        return self._leases.read_namespaced_lease(LEASE, NAMESPACE).spec.holder_identity or ""

    def await_holder(self) -> str:
        until("somebody is in charge", self.holder, TAKEOVER)
        return self.holder()

    def process(self, name: str) -> int:
        return process_of(self._world.core.read_namespaced_pod(name, NAMESPACE), "imagejob_operator")

    def delete(self, name: str, grace: int) -> None:
        self._world.core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=grace)

    def await_another(self, before: str, seconds: float) -> float:
        """The seconds until another one is in charge."""
        begun = time.monotonic()
        until("another one is in charge", lambda: self.holder() not in ("", before), seconds)
        return time.monotonic() - begun

    def restarts(self, name: str) -> int:
        found = self._world.core.read_namespaced_pod(name, NAMESPACE)
        return sum(status.restart_count for status in found.status.container_statuses)


@pytest.fixture
def replicas(world: World, production: None) -> Replicas:
    made = Replicas(world)
    made.await_both()
    return made


def begin(shop: Shop, photo: bytes) -> tuple[str, int]:
    """A job of four shards, seen at work; its name, and where the audit log was before."""
    keys = shop.upload_copies(photo, 8)
    since = shop.world.audit.mark()
    execution = {"parallelism": 2, "itemsPerPod": 2}
    name = shop.apply(image_job({"keys": keys}, execution=execution))
    shop.await_phase(name, "Running")
    return name, since


def ends_well(shop: Shop, name: str, since: int) -> None:
    job = shop.await_end(name, seconds=90)
    assert verdict(job) == ("Succeeded", "", "")
    assert len(shop.outputs()) == 8
    shop.await_clean()
    writes = shop.world.audit.writes(since, namespace=shop.name)
    pods = [w.name for w in writes if (w.verb, w.resource, w.code) == ("create", "pods", 201)]
    assert len(pods) == len(set(pods)) == 4, pods
    assert [(e.type, e.reason) for e in shop.events(name)] == [("Normal", "Succeeded")]


def test_killed(shop: Shop, replicas: Replicas, large_photo: bytes, figures: list[str]) -> None:
    before = replicas.await_holder()
    process = replicas.process(before)
    name, since = begin(shop, large_photo)
    os.kill(process, signal.SIGKILL)
    replicas.delete(before, grace=0)  # else its next life would take the lease again
    took = replicas.await_another(before, TAKEOVER)
    figures.append(f"takeover after the replica in charge was killed: {took:.1f} s")
    ends_well(shop, name, since)


def test_frozen(shop: Shop, replicas: Replicas, large_photo: bytes, figures: list[str]) -> None:
    before = replicas.await_holder()
    process = replicas.process(before)
    name, since = begin(shop, large_photo)
    os.kill(process, signal.SIGSTOP)
    try:
        took = replicas.await_another(before, TAKEOVER)
    finally:
        os.kill(process, signal.SIGCONT)
    figures.append(f"takeover after the replica in charge was frozen: {took:.1f} s")
    # It ends as soon as it goes on, and is started anew as one that waits.
    until("the frozen one has ended", lambda: replicas.restarts(before) > 0, 30)
    ends_well(shop, name, since)


def test_stopped(shop: Shop, replicas: Replicas, large_photo: bytes, figures: list[str]) -> None:
    before = replicas.await_holder()
    name, since = begin(shop, large_photo)
    replicas.delete(before, grace=30)
    took = replicas.await_another(before, GRACEFUL)
    figures.append(f"takeover after the replica in charge was told to stop: {took:.1f} s")
    ends_well(shop, name, since)
