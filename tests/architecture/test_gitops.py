"""What GitOps controllers and kubectl compare does not differ after an apply.

Argo CD's usual diff merges the manifest over the live object as RFC 7396 does: a map keeps what the API
server added, a list is replaced as a whole. So the schema must have no defaults below a list.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from architecture import crd_walk

ROOT = Path(__file__).parents[2]
CRDS = {"ImageJob": ROOT / "crds" / "imagejob.yaml", "ImageStore": ROOT / "crds" / "imagestore.yaml"}
LARGEST_ANNOTATION = 262_144
"""Bytes of all annotations of an object; kubectl apply writes the manifest into one of them."""
PAGE = ROOT / "docs" / "administrators" / "gitops.md"


def schemas() -> dict[str, dict[str, Any]]:
    return {kind: crd_walk.schema_of(crd_walk.load(path)) for kind, path in CRDS.items()}


def _manifests() -> Iterator[Any]:
    for path in sorted((ROOT / "examples").glob("*.yaml")):
        for number, document in enumerate(yaml.safe_load_all(path.read_text())):
            if document["kind"] in CRDS:
                yield pytest.param(document, id=f"{path.stem}-{number}")


MANIFESTS = list(_manifests())


def stored(value: Any, schema: dict[str, Any]) -> Any:
    """What the API server makes of a value: fields that are absent get their defaults."""
    if isinstance(value, dict):
        below = schema.get("properties", {})
        missing = {
            n: copy.deepcopy(s["default"]) for n, s in below.items() if "default" in s and n not in value
        }
        return {name: stored(inner, below.get(name, {})) for name, inner in {**value, **missing}.items()}
    if isinstance(value, list):
        return [stored(inner, schema.get("items", {})) for inner in value]
    return value


def merged(live: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    kept = live if isinstance(live, dict) else {}
    found = {**kept, **{name: merged(kept.get(name), value) for name, value in patch.items()}}
    return {name: value for name, value in found.items() if value is not None}


def differs(manifest: dict[str, Any], schema: dict[str, Any]) -> bool:
    live = stored(copy.deepcopy(manifest), schema)
    return bool(merged(live, manifest) != live)


def defaults_in_lists(schema: dict[str, Any]) -> list[str]:
    return [path for path, node in crd_walk.walk(schema) if "[]" in path and "default" in node]


@pytest.mark.parametrize("kind", CRDS)
def test_no_default_is_below_a_list(kind: str) -> None:
    assert defaults_in_lists(schemas()[kind]) == []


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_an_example_does_not_differ_after_it_was_applied(manifest: dict[str, Any]) -> None:
    assert not differs(manifest, schemas()[manifest["kind"]])


def test_a_default_below_a_list_is_found() -> None:
    schema = schemas()["ImageJob"]
    output = dict(crd_walk.walk(schema))["spec.renditions[].output"]
    output["properties"]["metadata"]["default"] = "Strip"
    assert defaults_in_lists(schema) == ["spec.renditions[].output.metadata"]
    (first, *_) = (example.values[0] for example in MANIFESTS)
    assert differs(first, schema)


def test_a_default_of_a_map_does_not_differ() -> None:
    schema = schemas()["ImageJob"]
    (first, *_) = (example.values[0] for example in MANIFESTS)
    first["spec"].pop("limits", None)
    assert stored(first, schema)["spec"]["limits"]["frames"] == 100
    assert not differs(first, schema)


# --- manifests that an annotation cannot hold -----------------------------------------------------------


def largest(schema: dict[str, Any]) -> int:
    """The most bytes that a value can have as JSON, with one byte per character."""
    if "items" in schema:
        return int(schema["maxItems"]) * (largest(schema["items"]) + 1) + 2
    if "properties" in schema:
        return sum(len(name) + 4 + largest(below) for name, below in schema["properties"].items()) + 2
    return int(schema.get("maxLength", 20)) + 2


def too_large(schema: dict[str, Any]) -> set[str]:
    """Sources that do not fit into an annotation."""
    sources = dict(crd_walk.walk(schema))["spec.source"]["properties"]
    return {name for name, below in sources.items() if largest(below) > LARGEST_ANNOTATION}


def test_fields_that_kubectl_apply_cannot_hold_say_so() -> None:
    schema = schemas()["ImageJob"]
    assert too_large(schema) == {"keys", "urls", "inline"}
    nodes = dict(crd_walk.walk(schema))
    for name in too_large(schema):
        assert "kubectl apply --server-side" in nodes[f"spec.source.{name}"]["description"], name


def test_the_pages_name_the_limit_of_kubectl_apply() -> None:
    for page in (PAGE, ROOT / "docs" / "users" / "limits.md", ROOT / "examples" / "inline.yaml"):
        assert "262144" in page.read_text().replace(",", ""), page
        assert "--server-side" in page.read_text(), page
