"""Two installations side by side: one for all namespaces, one with a class, and with rights in one only."""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from demo.stack import OPERATOR
from e2e.world import STAGING, Shop, World, image_job, phase, verdict
from localcluster.errors import ClusterError
from localcluster.paths import repository

HOME = "imagejob-blue"
BLUE = f"system:serviceaccount:{HOME}:{OPERATOR}"
OVERLAYS = repository() / "manifests" / "overlays"
CLUSTER_RIGHTS = "imagejob-operator-identity"


def own_overlay(folder: Path, namespace: str) -> dict[str, Any]:
    """What users write over the namespaced overlay: here with the images and the store of the demo one."""
    demo = yaml.safe_load((OVERLAYS / "demo" / "kustomization.yaml").read_text())
    settings = [text for text in demo["configMapGenerator"][0]["literals"] if "INSTALLATION" not in text]
    own = ["INSTALLATION=blue", "CLASS=blue", f"WATCH_NAMESPACES={namespace}"]
    image = {name: demo["images"][0][name] for name in ("newName", "newTag")}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": HOME,
        "resources": [os.path.relpath(OVERLAYS / "namespaced", folder)],
        "configMapGenerator": [
            {
                "name": OPERATOR,
                "behavior": "merge",
                "literals": [*settings, *(f"IMAGEJOB_{text}" for text in own)],
            }
        ],
        "secretGenerator": demo["secretGenerator"],
        # kustomize moves the accounts, and leaves those who are bound where they were.
        "patches": [
            {
                "target": {"kind": kind},
                "patch": f'[{{"op": "replace", "path": "/subjects/0/namespace", "value": "{HOME}"}}]',
            }
            for kind in ("RoleBinding", "ClusterRoleBinding")
        ],
        "generatorOptions": {"disableNameSuffixHash": True},
        "images": [{"name": "registry.example.com/imagejob-operator", **image}],
    }


def admit(world: World, namespace: str) -> None:
    """Admit the second operator to a namespace, as its users do, under the name of its own namespace."""
    binding = yaml.safe_load((repository() / "manifests" / "access" / "rolebinding.yaml").read_text())
    binding["subjects"][0]["namespace"] = HOME
    world.kubectl.apply(binding, "-n", namespace)


@pytest.fixture
def blue(world: World, tmp_path: Path) -> Iterator[Shop]:
    """A namespace that the second installation serves, beside the first one."""
    made = Shop(world, f"e2e-blue-{uuid.uuid4().hex[:8]}")
    folder = tmp_path.resolve()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(own_overlay(folder, made.name)))
    rendered = world.kubectl("kustomize", str(folder))
    # The kind of all jobs, and what is bound by nobody but the first operator, is there already.
    fresh = [
        document
        for document in yaml.safe_load_all(rendered)
        if document["kind"] not in ("CustomResourceDefinition",)
    ]
    try:
        admit(world, made.name)
        for document in sorted(fresh, key=lambda d: d["kind"] != "Namespace"):
            world.kubectl(
                "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(document)
            )
        world.kubectl("rollout", "status", "-n", HOME, f"deployment/{OPERATOR}", "--timeout=90s")
        try:
            yield made
        finally:
            # Shown if the test fails: what the other operator has to say.
            sys.stdout.write(world.kubectl("logs", f"deployment/{OPERATOR}", "-n", HOME, "--tail=60"))
        made.close()
    finally:
        with contextlib.suppress(client.ApiException):
            world.core.delete_namespace(HOME)
        for key in world.store.keys(f"{STAGING}blue/"):
            world.store.client.remove_object(world.store.bucket, key)
        world.kubectl("delete", "clusterrole,clusterrolebinding", CLUSTER_RIGHTS, "--ignore-not-found")


def may(world: World, *words: str) -> bool:
    with contextlib.suppress(ClusterError):
        return world.kubectl("auth", "can-i", *words, f"--as={BLUE}").strip() == "yes"
    return False


def test_none_touches_the_jobs_of_the_other(world: World, blue: Shop, shop: Shop) -> None:
    since = world.audit.mark()
    keys = blue.upload_photos("china.jpg")
    elsewhere = shop.upload_photos("coffee.png")
    shop.apply(image_job({"keys": elsewhere}, name="not-admitted", **{"class": "blue"}))
    blue.apply(image_job({"keys": keys}, name="red", **{"class": "red"}))
    blue.apply(image_job({"keys": keys}, name="mine", destination={"prefix": "mine/"}, **{"class": "blue"}))
    blue.apply(image_job({"keys": keys}, name="plain", destination={"prefix": "plain/"}))

    for name, prefix, installation in (("mine", "mine/", "blue"), ("plain", "plain/", "demo")):
        job = blue.await_end(name, seconds=120)
        assert verdict(job) == ("Succeeded", "", ""), name
        assert f"/{installation}/" in job["status"]["staging"]["prefix"]
        assert len(blue.outputs(prefix)) == 1
    blue.await_clean()
    # Both have seen jobs that came later than these.
    assert phase(shop.get("not-admitted")) == ""
    assert phase(blue.get("red")) == ""

    written = world.audit.writes(since, user=BLUE)
    assert {write.namespace for write in written} == {blue.name, HOME}
    assert {write.name for write in written if write.resource.startswith("imagejobs")} == {"mine"}
    theirs = world.audit.writes(since, namespace=blue.name)
    assert {write.name for write in theirs if write.resource.startswith("imagejobs")} == {"plain"}

    assert may(world, "create", "pods", "-n", blue.name)
    for words in (
        ("list", "imagejobs.imagejob.dev", "--all-namespaces"),
        ("list", "imagejobs.imagejob.dev", "-n", shop.name),
        ("create", "pods", "-n", shop.name),
        ("create", "secrets", "-n", shop.name),
        ("list", "secrets", "-n", blue.name),
        ("get", "namespace", shop.name),
    ):
        assert not may(world, *words), words
