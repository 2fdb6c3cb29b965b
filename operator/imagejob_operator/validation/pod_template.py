"""Validation of `spec.execution.podTemplate`, as described by the CRD.

Users cannot set image, command, volumes and security context, which isolate the Pod. The API server validates
the contents of `tolerations`, `affinity` and `topologySpreadConstraints`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from imagejob_operator.validation.quantities import InvalidQuantity, amount

OPERATOR_KEY_PREFIXES = ("imagejob.dev/", "kueue.x-k8s.io/")
"""Prefixes of labels and annotations that are reserved for the operator."""
OPERATOR_KEYS = ("app.kubernetes.io/managed-by",)

MAX_NAME = 253
MAX_MAP_MEMBERS = 32
MAX_RESOURCES = 16
MAX_PULL_SECRETS = 16

LABEL_VALUE = "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"

_WHERE = "spec.execution.podTemplate"


class InvalidPodTemplate(ValueError):
    """The template is invalid; the message names the field, the value and the rule."""


def check_pod_template(template: dict[str, Any]) -> None:
    """Raise InvalidPodTemplate if a field is not in FIELDS, or its value is invalid."""
    for field, value in template.items():
        if field not in FIELDS:
            known = ", ".join(sorted(FIELDS))
            raise InvalidPodTemplate(f"{_WHERE}: unknown field {field!r}; remove it, or use one of {known}")
        FIELDS[field](value, f"{_WHERE}.{field}")


def _check_object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidPodTemplate(f"{where}: must be of type object, found {value!r:.60}")
    return value


def _check_list(most: int, value: object, where: str) -> None:
    if not isinstance(value, list) or len(value) > most:
        raise InvalidPodTemplate(f"{where}: must be a list of at most {most} entries")
    for position, member in enumerate(value):
        _check_object(member, f"{where}[{position}]")


def _check_name(value: object, where: str) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        raise InvalidPodTemplate(f"{where}: must be a name of 1 to {MAX_NAME} characters")


def _check_entries(most: int, value: object, where: str) -> dict[str, Any]:
    members = _check_object(value, where)
    if len(members) > most:
        raise InvalidPodTemplate(f"{where}: must have at most {most} entries, found {len(members)}")
    return members


def _check_map(longest: int, value: object, where: str) -> None:
    for key, member in _check_entries(MAX_MAP_MEMBERS, value, where).items():
        if not isinstance(member, str) or len(member) > longest:
            raise InvalidPodTemplate(f"{where}.{key}: must be a string of at most {longest} characters")


def _check_metadata(longest: int, pattern: str, value: object, where: str) -> None:
    _check_map(longest, value, where)
    for key, member in _check_object(value, where).items():
        if key in OPERATOR_KEYS or key.startswith(OPERATOR_KEY_PREFIXES):
            raise InvalidPodTemplate(f"{where}: {key!r} is reserved for the operator; remove it")
        if not re.fullmatch(pattern, member, re.DOTALL):
            raise InvalidPodTemplate(f"{where}.{key}: {member!r} is not a valid label value")


def _check_resources(value: object, where: str) -> None:
    for kind, quantities in _check_object(value, where).items():
        if kind not in ("requests", "limits"):
            raise InvalidPodTemplate(f"{where}: unknown field {kind!r}; use requests and limits")
        for name, quantity in _check_entries(MAX_RESOURCES, quantities, f"{where}.{kind}").items():
            _check_quantity(quantity, f"{where}.{kind}.{name}")


def _check_quantity(value: object, where: str) -> None:
    try:
        amount(value)
    except InvalidQuantity as error:
        raise InvalidPodTemplate(f"{where}: {error}") from None


def _check_pull_secrets(value: object, where: str) -> None:
    _check_list(MAX_PULL_SECRETS, value, where)
    names: set[str] = set()
    for position, secret in enumerate(value if isinstance(value, list) else []):
        if set(secret) != {"name"}:
            raise InvalidPodTemplate(f"{where}[{position}]: must have exactly one field, 'name'")
        _check_name(secret["name"], f"{where}[{position}].name")
        if secret["name"] in names:
            raise InvalidPodTemplate(
                f"{where}[{position}]: duplicate name {secret['name']!r}; names must be unique"
            )
        names.add(secret["name"])


FIELDS: dict[str, Callable[[object, str], object]] = {
    "resources": _check_resources,
    "nodeSelector": partial(_check_map, 63),
    "tolerations": partial(_check_list, 32),
    "affinity": _check_object,
    "topologySpreadConstraints": partial(_check_list, 8),
    "priorityClassName": _check_name,
    "runtimeClassName": _check_name,
    "schedulerName": _check_name,
    "serviceAccountName": _check_name,
    "imagePullSecrets": _check_pull_secrets,
    "labels": partial(_check_metadata, 63, LABEL_VALUE),
    "annotations": partial(_check_metadata, 4096, ".*"),
}
"""The fields that users may set, with their checks."""
