"""Reads a manifest with one ImageJob, checks it as the API server and the operator do, and adapts it.

Other objects of the file are ignored, except Secrets with request headers.
"""

from __future__ import annotations

import base64
import re
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagejob.documents import load_documents
from imagejob.errors import Invalid
from imagejob_operator.api.imagejob import Key, parsed
from imagejob_operator.api.spec import InvalidSpec, Spec, as_invalid, parse_spec
from imagejob_operator.naming.names import API_VERSION, KIND
from imagejob_operator.ports.secrets import Secret
from imagejob_operator.validation.schema_errors import unknown_field

MAX_MANIFEST_BYTES = 3 * 1024 * 1024
"""The limit of the API server on a request."""
MAX_NAME_CHARACTERS, MAX_NAMESPACE_CHARACTERS = 52, 63
STANDARD_INPUT = Path("-")
NAMESPACE = "default"
"""The namespace of a manifest that names none."""
_LABEL = re.compile("[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_MEMBERS = {"apiVersion", "kind", "metadata", "spec", "status"}


class InvalidManifest(ValueError):
    """The manifest cannot be run; the message names the file or the field, and says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """An ImageJob with the members that a run on one machine uses, and the Secrets beside it by name."""

    job: dict[str, Any]
    secrets: Mapping[str, Secret] = field(default_factory=dict)


def read_manifest(path: Path) -> Manifest:
    """The ImageJob of a file, or of standard input for the path `-`; raises InvalidManifest."""
    name = "standard input" if path == STANDARD_INPUT else str(path)
    bodies = _read(path, name)
    jobs = [body for body in bodies if body.get("kind") == KIND]
    if len(jobs) != 1:
        kinds = ", ".join(str(body.get("kind")) for body in bodies) or "no object"
        raise InvalidManifest(f"{name} must have exactly one {KIND}; it has {kinds}")
    (job,) = jobs
    if job.get("apiVersion") != API_VERSION:
        raise InvalidManifest(f"{name}: apiVersion is {job.get('apiVersion')!r}; it must be {API_VERSION!r}")
    if unknown := sorted(map(str, job.keys() - _MEMBERS)):
        raise InvalidManifest(f"{name}: {unknown_field(unknown[0], _MEMBERS)}")
    key = _key(job.get("metadata"))
    secrets = dict(_secret(body) for body in bodies if body.get("kind") == "Secret")
    spec = parsed(parse_spec, job.get("spec", {}), as_invalid)
    if isinstance(spec, InvalidSpec):
        raise InvalidManifest(str(spec))
    _check_runnable(spec, secrets)
    metadata = {"namespace": key.namespace, "name": key.name}
    return Manifest(
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": _adapted(job["spec"])},
        secrets,
    )


def _read(path: Path, name: str) -> list[dict[str, Any]]:
    try:
        with nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb") as file:
            text = file.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise InvalidManifest(f"the manifest {path} cannot be read: {error.strerror}") from None
    if len(text) > MAX_MANIFEST_BYTES:
        raise InvalidManifest(f"{name} has more than {MAX_MANIFEST_BYTES} bytes; use spec.source.list")
    try:
        bodies = load_documents(text, name)
    except Invalid as error:
        raise InvalidManifest(str(error)) from None
    if not all(isinstance(body, dict) for body in bodies):
        raise InvalidManifest(f"{name}: each document must be an object with a kind")
    return bodies


def _key(metadata: object) -> Key:
    if not isinstance(metadata, dict):
        raise InvalidManifest("metadata: it must be an object with a name")
    name, namespace = metadata.get("name"), metadata.get("namespace", NAMESPACE)
    for member, value, most in (
        ("name", name, MAX_NAME_CHARACTERS),
        ("namespace", namespace, MAX_NAMESPACE_CHARACTERS),
    ):
        if not isinstance(value, str) or len(value) > most or not _LABEL.fullmatch(value):
            raise InvalidManifest(
                f"metadata.{member}: {value!r} must have 1 to {most} characters of a-z, 0-9 and '-', and "
                "start and end with a letter or digit"
            )
    return Key(str(namespace), str(name))


def _secret(body: dict[str, Any]) -> tuple[str, Secret]:
    """The name of a Secret, and the Secret."""
    try:
        encoded, metadata = body.get("data") or {}, body["metadata"]
        data = {name: base64.b64decode(value).decode() for name, value in encoded.items()}
        data |= {name: str(value) for name, value in (body.get("stringData") or {}).items()}
        annotations = {name: str(value) for name, value in (metadata.get("annotations") or {}).items()}
        return str(metadata["name"]), Secret(data, annotations)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InvalidManifest(f"a Secret is invalid ({type(error).__name__}); correct it") from None


def _check_runnable(spec: Spec, secrets: Mapping[str, Secret]) -> None:
    """Refuse what would change the outcome if it were ignored."""
    for where, store in (
        ("spec.storeRef", spec.store_ref),
        ("spec.destination.storeRef", spec.destination.store_ref),
    ):
        if store:
            raise InvalidManifest(
                f"{where}: the ImageStore {store.name!r} is not available on one machine, where the folder "
                f"of --store holds sources and outputs; remove {where}"
            )
    for position, source in enumerate(spec.source.urls or ()):
        reference = source.headers_secret_ref
        if reference and reference.name not in secrets:
            raise InvalidManifest(
                f"spec.source.urls[{position}].headersSecretRef: there is no Secret {reference.name!r} in "
                "the file; add it, as another document"
            )
    if spec.run.items == "Failed":
        raise InvalidManifest(
            "spec.run.items is Failed, but each run on one machine is the first one of its ImageJob; set it "
            "to All, and spec.destination.overwrite to IfDifferent, which skips what is up to date"
        )
    if spec.suspend:
        raise InvalidManifest("spec.suspend is true, so the run would not start; set it to false")


def _adapted(spec: dict[str, Any]) -> dict[str, Any]:
    """The spec without what only a cluster has. One Pod at a time, because each uses all CPUs."""
    execution = {k: v for k, v in spec.get("execution", {}).items() if k not in ("podTemplate", "queueName")}
    kept = {k: v for k, v in spec.items() if k not in ("class", "retention")}
    return {**kept, "execution": {**execution, "parallelism": 1}}
