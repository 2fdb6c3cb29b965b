"""Reads the manifest of an ImageJob, checks it as the API server and the operator do, and adapts it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.spec import InvalidSpec, Spec, parse_spec
from imagejob_operator.naming.names import API_VERSION, KIND

MAX_MANIFEST_BYTES = 3 * 1024 * 1024
"""The limit of the API server on a request."""
MAX_NAME_CHARACTERS = 253
NAMESPACE = "default"
"""The namespace of a manifest that names none."""
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAMESPACE = re.compile(rf"(?=.{{1,63}}\Z){_LABEL}")
_MEMBERS = {"apiVersion", "kind", "metadata", "spec", "status"}


class InvalidManifest(ValueError):
    """The manifest cannot be run; the message names the file or the field, and says what to do."""


def read_manifest(path: Path) -> dict[str, Any]:
    """The ImageJob of a file, with the members that a run on one machine uses; raises InvalidManifest."""
    body = _read(path)
    for field, wanted in (("apiVersion", API_VERSION), ("kind", KIND)):
        if body.get(field) != wanted:
            raise InvalidManifest(f"{path}: {field} is {body.get(field)!r}; it must be {wanted!r}")
    if unknown := sorted(map(str, body.keys() - _MEMBERS)):
        raise InvalidManifest(f"{path}: unknown field {unknown[0]!r}; remove it")
    key = _key(body.get("metadata"))
    try:
        spec = parse_spec(body.get("spec", {}))
    except InvalidSpec as error:
        raise InvalidManifest(str(error)) from None
    _check_runnable(spec)
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"namespace": key.namespace, "name": key.name},
        "spec": _adapted(body["spec"]),
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InvalidManifest(f"the manifest {path} cannot be read: {error.strerror}") from None
    if len(text) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"{path} has more than {MAX_MANIFEST_BYTES} bytes; use spec.source.list")
    try:
        bodies = [body for body in yaml.load_all(text, _LOADER) if body is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InvalidManifest(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if len(bodies) != 1 or not isinstance(bodies[0], dict):
        raise InvalidManifest(f"{path} has {len(bodies)} documents; it must be one ImageJob")
    return bodies[0]


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _key(metadata: object) -> Key:
    if not isinstance(metadata, dict):
        raise InvalidManifest("metadata: it must be an object with a name")
    name, namespace = metadata.get("name"), metadata.get("namespace", NAMESPACE)
    if not isinstance(name, str) or len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise InvalidManifest(
            f"metadata.name: {name!r} must have 1 to {MAX_NAME_CHARACTERS} characters of a-z, 0-9, '-' and '.', "
            "and each part between dots must start and end with a letter or digit"
        )
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise InvalidManifest(
            f"metadata.namespace: {namespace!r} must have 1 to 63 characters of a-z, 0-9 and '-', and start and "
            "end with a letter or digit"
        )
    return Key(namespace, name)


def _check_runnable(spec: Spec) -> None:
    """Refuse what would change the outcome if it were ignored."""
    for field, reference in (
        ("spec.storeRef", spec.store_ref),
        ("spec.destination.storeRef", spec.destination.store_ref),
    ):
        if reference:
            raise InvalidManifest(
                f"{field}: the ImageStore {reference.name!r} is not available on one machine, where the folder "
                f"of --store holds sources and outputs; remove {field}"
            )
    for position, source in enumerate(spec.source.urls or ()):
        if secret := source.headers_secret_ref:
            raise InvalidManifest(
                f"spec.source.urls[{position}].headersSecretRef: the Secret {secret.name!r} is not available on "
                "one machine; remove it, or download the file into the folder of --store"
            )
    if spec.suspend:
        raise InvalidManifest("spec.suspend is true, so the run would not start; set it to false")


def _adapted(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec without what only a cluster has. One Pod at a time, because each uses all CPUs."""
    execution = {k: v for k, v in spec.get("execution", {}).items() if k not in ("podTemplate", "queueName")}
    kept = {k: v for k, v in spec.items() if k not in ("class", "retention")}
    return {**kept, "execution": {**execution, "parallelism": 1}}
