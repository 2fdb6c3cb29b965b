"""The objects that each way of installing gives, and how they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from distribution.chart import chart_folder
from localcluster import binaries
from localcluster.commands import find_program, run

Object = dict[str, Any]

NAMESPACE = "imagejob-system"
RELEASE = "imagejob"


def helm_program() -> Path:
    """The path of Helm, which is built if it is missing."""
    return binaries.ensure(binaries.HELM) / "helm"


def kubectl_program() -> Path:
    """The path of kubectl: the machine's own, else one that is built."""
    own = find_program("kubectl")
    return Path(own) if own else binaries.ensure(binaries.KUBERNETES) / "kubectl"


def documents(text: str) -> list[Object]:
    """The objects of a YAML stream, without empty documents."""
    return [document for document in yaml.load_all(text, Loader=yaml.CSafeLoader) if document]


def chart_objects(
    values: Mapping[str, Any],
    files: Sequence[Path] = (),
    release: str = RELEASE,
    namespace: str = NAMESPACE,
    chart: Path | None = None,
) -> list[Object]:
    """What `helm install` would create; ClusterError with Helm's message if the values are refused."""
    words = ["template", release, str(chart or chart_folder()), "--namespace", namespace]
    for file in files:
        words += ["--values", str(file)]
    text = run([str(helm_program()), *words, "--values", "-"], stdin=yaml.safe_dump(dict(values)))
    return documents(text)


def write_package(folder: Path) -> str:
    """Write the chart as an archive to a folder; what Helm reports."""
    return run([str(helm_program()), "package", str(chart_folder()), "--destination", str(folder)])


def kustomize(folder: Path) -> str:
    """What `kubectl apply -k` would create, as text."""
    return run([str(kubectl_program()), "kustomize", str(folder)])


def kustomize_objects(folder: Path) -> list[Object]:
    """What `kubectl apply -k` would create."""
    return documents(kustomize(folder))


def identity(found: Object) -> str:
    """Kind, namespace and name of an object."""
    metadata = found["metadata"]
    return "/".join(filter(None, (found["kind"], metadata.get("namespace"), metadata["name"])))


def differences(left: Iterable[Object], right: Iterable[Object]) -> list[str]:
    """Each object that only one side has, and each field of an object that differs, with both values."""
    first, second = ({identity(one): one for one in side} for side in (left, right))
    found = [f"{name}: only on the left" for name in first.keys() - second.keys()]
    found += [f"{name}: only on the right" for name in second.keys() - first.keys()]
    for name in first.keys() & second.keys():
        found += [f"{name}: {text}" for text in _fields(first[name], second[name], "")]
    return sorted(found)


def _fields(left: Any, right: Any, path: str) -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted(left.keys() | right.keys())
        return [text for n in names for text in _fields(left.get(n), right.get(n), f"{path}.{n}".lstrip("."))]
    if isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        pairs = enumerate(zip(left, right, strict=True))
        return [text for n, (one, other) in pairs for text in _fields(one, other, f"{path}[{n}]")]
    return [] if left == right else [f"{path}: {left!r} is not {right!r}"]
