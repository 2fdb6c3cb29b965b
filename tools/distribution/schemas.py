"""JSON schemas of Kubernetes objects, made from the OpenAPI document in the Go module of each version."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from localcluster.commands import run
from localcluster.golang import go_environment, go_program
from localcluster.paths import cache_root

VERSIONS = ("v1.32.13", "v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3", "v1.37.2")
"""One patch version of each minor version that the operator supports, and the next ones."""
FREE: dict[str, Any] = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["integer", "string"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["number", "string"]},
}
"""Types that have several forms in YAML, of which OpenAPI 2 names one."""
DEFINITIONS = "definitions.json"


def schema_folder(version: str) -> Path:
    """The folder with a strict schema for each kind of a version, downloaded if it is missing."""
    folder = cache_root() / "schemas" / version
    if not (folder / DEFINITIONS).exists():
        _write(folder, _definitions(version))
    return folder


def _definitions(version: str) -> dict[str, Any]:
    words = [go_program(), "mod", "download", "-modcacherw", "-json", f"k8s.io/kubernetes@{version}"]
    with tempfile.TemporaryDirectory(dir=cache_root()) as folder:
        # A cache of its own, which is deleted: the module has a hundred megabytes, of which this needs four.
        environment = {**go_environment(), "GOFLAGS": "-mod=mod", "GOMODCACHE": folder}
        answer = run(words, cwd=Path(folder), env=environment, timeout=600)
        document = Path(json.loads(answer)["Dir"]) / "api" / "openapi-spec" / "swagger.json"
        found: dict[str, Any] = json.loads(document.read_text())["definitions"]
    return found


def _write(folder: Path, definitions: dict[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    strict = {name: FREE.get(name) or _strict(body) for name, body in definitions.items()}
    for name, body in strict.items():
        for kind in body.get("x-kubernetes-group-version-kind", []):
            file = "-".join(filter(None, (kind["kind"], kind["group"].partition(".")[0], kind["version"])))
            reference = {"$ref": f"{DEFINITIONS}#/definitions/{name}"}
            (folder / f"{file.lower()}.json").write_text(json.dumps(reference))
    # Last: a folder that has it is complete.
    (folder / DEFINITIONS).write_text(json.dumps({"definitions": strict}))


def _strict(body: dict[str, Any]) -> dict[str, Any]:
    """A definition that refuses unknown fields; all objects of OpenAPI are definitions of their own."""
    return {**body, "additionalProperties": False} if "properties" in body else body
