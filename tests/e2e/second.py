"""A second installation: with a class, and with permissions in one namespace only."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

from demo.stack import OPERATOR
from e2e.world import Shop, World
from localcluster.paths import repository

OVERLAYS = repository() / "manifests" / "overlays"
CLUSTER_RIGHTS = "imagejob-operator-cluster-uid"


@dataclass(frozen=True)
class Second:
    """The installation; its name is that of its class."""

    name: str
    shop: Shop
    """The namespace that it serves."""
    others: tuple[str, ...] = ()
    """Empty namespaces that it watches as well."""

    @property
    def home(self) -> str:
        """The namespace of its operator."""
        return f"imagejob-{self.name}"

    @property
    def account(self) -> str:
        """The user of its operator."""
        return f"system:serviceaccount:{self.home}:{OPERATOR}"

    def pod(self) -> client.V1Pod:
        """The Pod of its operator."""
        (found,) = self.shop.world.core.list_namespaced_pod(self.home).items
        return found


def own_overlay(folder: Path, second: Second) -> dict[str, Any]:
    """What users write over the namespaced overlay: here with the images and the store of the demo one."""
    demo = yaml.safe_load((OVERLAYS / "demo" / "kustomization.yaml").read_text())
    settings = [text for text in demo["configMapGenerator"][0]["literals"] if "INSTALLATION" not in text]
    watched = ",".join((*second.others, second.shop.name))
    names = f"INSTALLATION={second.name}", f"CLASS={second.name}", f"WATCH_NAMESPACES={watched}"
    moved = {"op": "replace", "path": "/subjects/0/namespace", "value": second.home}
    image = {name: demo["images"][0][name] for name in ("newName", "newTag")}
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": second.home,
        "resources": [os.path.relpath(OVERLAYS / "namespaced", folder)],
        "configMapGenerator": [
            {
                "name": OPERATOR,
                "behavior": "merge",
                "literals": [*settings, *(f"IMAGEJOB_{text}" for text in names)],
            }
        ],
        "secretGenerator": demo["secretGenerator"],
        # kustomize moves the accounts, and leaves those who are bound where they were.
        "patches": [
            {"target": {"kind": "RoleBinding"}, "patch": json.dumps([moved])},
            {
                "target": {"kind": "ClusterRoleBinding"},
                "options": {"allowNameChange": True},
                "patch": json.dumps(
                    [moved, {"op": "replace", "path": "/metadata/name", "value": second.home}]
                ),
            },
        ],
        "generatorOptions": {"disableNameSuffixHash": True},
        "images": [{"name": "registry.example.com/imagejob-operator", **image}],
    }


def admit(world: World, second: Second) -> None:
    """Admit its operator to its namespaces, as its users do, under the name of the operator's own one."""
    binding = yaml.safe_load((repository() / "manifests" / "access" / "rolebinding.yaml").read_text())
    binding["subjects"][0]["namespace"] = second.home
    for other in second.others:
        world.core.create_namespace({"metadata": {"name": other}})
    for name in (second.shop.name, *second.others):
        world.apply(binding, name)


@contextmanager
def second_installation(world: World, name: str, folder: Path, others: int = 0) -> Iterator[Second]:
    """It is there and ready; at the end its jobs are deleted, and nothing of them may be left.

    It watches so many other namespaces beside the one that it serves.
    """
    shop = Shop(world, f"e2e-{name}-{uuid.uuid4().hex[:8]}")
    second = Second(name, shop, tuple(f"{shop.name}-{number}" for number in range(others)))
    folder = folder.resolve()
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(own_overlay(folder, second)))
    rendered = world.kubectl("kustomize", str(folder))
    # The CRD, and the bindings of the first operator, exist already.
    fresh = [
        document
        for document in yaml.safe_load_all(rendered)
        if document["kind"] not in ("CustomResourceDefinition",)
    ]
    try:
        admit(world, second)
        for document in sorted(fresh, key=lambda d: d["kind"] != "Namespace"):
            world.kubectl(
                "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=yaml.safe_dump(document)
            )
        world.kubectl("rollout", "status", "-n", second.home, f"deployment/{OPERATOR}", "--timeout=90s")
        try:
            yield second
        finally:
            # Shown if the test fails: what the other operator has to say.
            sys.stdout.write(world.kubectl("logs", f"deployment/{OPERATOR}", "-n", second.home, "--tail=60"))
        second.shop.close()
    finally:
        for gone in (second.home, *second.others):
            with contextlib.suppress(client.ApiException):
                world.core.delete_namespace(gone)
        for key in world.store.keys(world.own_staging(name)):
            world.store.client.remove_object(world.store.bucket, key)
        world.kubectl("delete", "clusterrolebinding", second.home, "--ignore-not-found")
        world.kubectl("delete", "clusterrole", CLUSTER_RIGHTS, "--ignore-not-found")
