"""No example differs from its live object by the library with which Argo CD compares them.

The live objects have the defaults of the schema, and what the operator writes; tests/cluster/test_gitops.py
has those of a real API server. Building the library takes minutes: `make gitops` runs this, `make test` does
not.
"""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest

from architecture.test_gitops import MANIFESTS, schemas, stored
from localcluster import binaries
from localcluster.commands import run

pytestmark = pytest.mark.timeout(900)

Object = dict[str, Any]
EXAMPLES = {str(example.id): example.values[0] for example in MANIFESTS}
SYSTEM = {
    "uid": "00000000-0000-0000-0000-000000000000",
    "resourceVersion": "7",
    "generation": 1,
    "creationTimestamp": "2026-01-01T00:00:00Z",
    "finalizers": ["imagejob.dev/staging"],
    "managedFields": [],
}


def live(manifest: Object) -> Object:
    """The object after an apply and a run: with defaults, a finalizer and a status."""
    found = stored(copy.deepcopy(manifest), schemas()[manifest["kind"]])
    applied = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(desired(manifest))}
    found["metadata"] |= {"namespace": "shop", "annotations": applied, **SYSTEM}
    found["status"] = {"observedGeneration": 1, "phase": "Succeeded"}
    return dict(found)


def desired(manifest: Object) -> Object:
    """The manifest in the namespace of an Application."""
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": "shop"}}


def drifted(pairs: dict[str, tuple[Object, Object]]) -> dict[str, Object]:
    """By name: the live objects that Argo CD would show as OutOfSync, as it would make them."""
    program = binaries.ensure(binaries.GITOPS_DIFF) / "gitops-diff"
    asked = [{"manifest": manifest, "live": found} for manifest, found in pairs.values()]
    answer = json.loads(run([str(program)], stdin=json.dumps(asked)))
    results = zip(pairs, answer, strict=True)
    return {name: result["predicted"] for name, result in results if result["modified"]}


def test_no_example_drifts() -> None:
    pairs = {name: (desired(manifest), live(manifest)) for name, manifest in EXAMPLES.items()}
    assert len(pairs) >= 20
    found = drifted(pairs)
    for name in pairs:
        sys.stdout.write(f"{name:<28}{'OutOfSync' if name in found else 'Synced'}\n")
    assert found == {}


def test_a_value_that_was_changed_by_hand_is_found() -> None:
    manifest = EXAMPLES["first-job-0"]
    changed = live(manifest)
    changed["spec"]["renditions"][0]["output"]["format"] = "GIF"
    assert list(drifted({"first-job": (desired(manifest), changed)})) == ["first-job"]


def test_a_list_that_has_grown_is_found() -> None:
    manifest = EXAMPLES["first-job-0"]
    changed = live(manifest)
    changed["spec"]["renditions"].append({"name": "added", "output": {"format": "PNG"}})
    assert list(drifted({"first-job": (desired(manifest), changed)})) == ["first-job"]


def test_argo_cd_ignores_fields_that_were_added_below_a_list() -> None:
    """It removes them from items of lists of equal lengths: our own rule on defaults is stricter."""
    manifest = EXAMPLES["first-job-0"]
    changed = live(manifest)
    changed["spec"]["renditions"][0]["output"]["metadata"] = "Strip"
    assert drifted({"first-job": (desired(manifest), changed)}) == {}
