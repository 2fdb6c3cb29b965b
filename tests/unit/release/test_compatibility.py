"""A CRD that takes something away is found, whatever it is; one that grows is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from localcluster.paths import repository
from release.compatibility import incompatibilities, taken_away_since

OLD: dict[str, Any] = {
    "spec": {
        "group": "imagejob.dev",
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "maxLength": 9, "minLength": 1, "pattern": "^a"},
                            "mode": {"type": "string", "enum": ["A", "B"], "default": "A"},
                            "keys": {"type": "array", "maxItems": 5, "items": {"type": "string"}},
                            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                        },
                        "x-kubernetes-validations": [{"rule": "self.name != ''"}],
                    }
                },
            }
        ],
    }
}


def root(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def fields(crd: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = root(crd)["properties"]
    return found


LOSSES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "version": (lambda c: c["spec"]["versions"][0].update(served=False), "version v1 is not served any more"),
    "scope": (lambda c: c["spec"].update(scope="Cluster"), "spec.scope was 'Namespaced' and is 'Cluster'"),
    "field": (lambda c: fields(c).pop("keys"), "v1.keys is gone"),
    "type": (lambda c: fields(c)["name"].update(type="null"), "v1.name: type was 'string' and is 'null'"),
    "default": (lambda c: fields(c)["mode"].update(default="B"), "v1.mode: default was 'A' and is 'B'"),
    "pattern": (lambda c: fields(c)["name"].update(pattern="^b"), "v1.name: pattern was '^a' and is '^b'"),
    "maximum": (lambda c: fields(c)["name"].update(maxLength=8), "v1.name: maxLength was 9 and is 8"),
    "new bound": (lambda c: fields(c)["mode"].update(maxLength=8), "v1.mode: maxLength was not set and is 8"),
    "minimum": (lambda c: fields(c)["name"].update(minLength=2), "v1.name: minLength was 1 and is 2"),
    "enum": (lambda c: fields(c)["mode"].update(enum=["A"]), "v1.mode: not allowed any more: B"),
    "new enum": (lambda c: fields(c)["name"].update(enum=["a"]), "v1.name: not allowed any more: any value"),
    "required": (lambda c: root(c).update(required=["name", "keys"]), "v1.keys is required now"),
    "rule": (
        lambda c: root(c)["x-kubernetes-validations"].append({"rule": "false"}),
        "v1: the rule 'false' is new",
    ),
    "items": (
        lambda c: fields(c)["keys"]["items"].update(maxLength=3),
        "v1.keys[]: maxLength was not set and is 3",
    ),
    "values": (lambda c: fields(c)["labels"].pop("additionalProperties"), "v1.labels[*] is gone"),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_is_taken_away_is_found(name: str) -> None:
    change, found = LOSSES[name]
    new = copy.deepcopy(OLD)
    change(new)
    assert incompatibilities(OLD, new) == [found]


def test_growth_is_allowed() -> None:
    new = copy.deepcopy(OLD)
    fields(new)["more"] = {"type": "string", "maxLength": 3}
    fields(new)["name"].update(maxLength=20, minLength=0)
    fields(new)["mode"]["enum"].append("C")
    root(new).pop("required")
    root(new)["x-kubernetes-validations"] = []
    new["spec"]["versions"].append({**new["spec"]["versions"][0], "name": "v2"})
    assert incompatibilities(OLD, new) == []


@pytest.mark.parametrize("name", ["imagejob", "imagestore"])
def test_our_crds_are_compatible_with_themselves_and_not_without_a_field(name: str) -> None:
    crd = yaml.safe_load((repository() / "crds" / f"{name}.yaml").read_text())
    assert incompatibilities(crd, crd) == []
    less = copy.deepcopy(crd)
    spec = root(less)["properties"]["spec"]["properties"]
    lost = next(iter(spec))
    spec.pop(lost)
    (found,) = incompatibilities(crd, less)
    assert found.endswith(f".spec.{lost} is gone")


def test_crds_of_a_revision_are_read() -> None:
    assert taken_away_since("HEAD") == []
