"""The production overlay: two replicas; when the one in charge dies, freezes or stops, the other goes on.

It is applied as its users do: from an overlay of their own that sets images and store. `make bench-failover`
does it 25 times in a burst of 200 ImageJobs and writes out/failover.json, the suite once each way.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.stack import NAMESPACE, OPERATOR
from e2e.faults.results import keep
from e2e.killing.burst import Burst
from e2e.killing.replicas import ON_THE_WAY, Replicas
from e2e.world import Shop, World
from localcluster.paths import repository

PROMISED = {"killed": 20, "frozen": 20, "stopped": 3}
"""Seconds that a takeover takes at most."""
JOBS = int(os.environ.get("IMAGEJOB_FAILOVER_JOBS", "12"))
ROUNDS = int(os.environ.get("IMAGEJOB_FAILOVER_ROUNDS", "0"))
WAYS = ("killed", "frozen", "killed", "frozen", "stopped") * ROUNDS or ("killed", "frozen", "stopped")
RESULT = Path("out") / "failover.json"
POD = "/spec/template/spec"
SMALL_NODE = [
    {"op": "replace", "path": f"{POD}/containers/0/resources/requests/cpu", "value": "50m"},
    {"op": "remove", "path": f"{POD}/priorityClassName"},
]
"""On a node of two CPUs a new replica would preempt a Pod of the jobs, which then has a second attempt."""

OVERLAYS = repository() / "manifests" / "overlays"
STACK = repository() / "tests" / "e2e" / "stack"
"""What the other tests run on."""


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
        "patches": [{"target": {"kind": "Deployment", "name": OPERATOR}, "patch": json.dumps(SMALL_NODE)}],
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
        # What it adds beside the Deployment's own fields is removed with it, and set again.
        world.kubectl("delete", "pdb,deployment", OPERATOR, "-n", NAMESPACE, "--ignore-not-found")
        world.kubectl(*apply, str(STACK))
        world.reset_operator()


@pytest.mark.timeout(2400, func_only=True)
def test_failover(shop: Shop, world: World, production: None, figures: list[str]) -> None:
    replicas = Replicas(world, shop)
    replicas.await_both()
    burst = Burst(shop)
    burst.begin(JOBS)
    takeovers = []
    for way in WAYS:
        burst.keep_up()
        takeovers.append(replicas.strike(way))
        print(takeovers[-1])  # noqa: T201  (shown if it fails)
    result = burst.result()
    for way in dict.fromkeys(WAYS):
        took = [f"{t.lease} s / {t.work} s" for t in takeovers if t.way == way]
        figures.append(f"takeover from a replica that was {way}, Lease / first write: {', '.join(took)}")
    if ROUNDS:
        keep(RESULT, {**result, "takeovers": [asdict(t) for t in takeovers]})
    assert (result["wrongEnds"], result["doubledLaunches"]) == ([], [])
    assert [t for t in takeovers if t.late > ON_THE_WAY] == []
    assert [t for t in takeovers if t.took > PROMISED[t.way]] == []
