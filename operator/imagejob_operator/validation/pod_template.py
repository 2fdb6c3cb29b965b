"""What users may set on the Pods of a run: `spec.execution.podTemplate`, as the CRD describes it.

Image, command, volumes and security context are not among it: they are what keeps a Pod in its place.
What lies below `tolerations`, `affinity` and `topologySpreadConstraints` is for the API server to judge.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

OPERATOR_KEY_PREFIXES = ("imagejob.dev/", "kueue.x-k8s.io/")
"""Labels and annotations below these are set by the operator only."""

OPERATOR_KEYS = ("app.kubernetes.io/managed-by",)

MAX_NAME = 253
MAX_MAP_MEMBERS = 32
MAX_RESOURCES = 16
MAX_PULL_SECRETS = 16

QUANTITY = r"[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]+))?"
LABEL_VALUE = "([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"

_WHERE = "spec.execution.podTemplate"


class InvalidPodTemplate(ValueError):
    """The template cannot be accepted; the message names the field, the value and the rule."""


def check_pod_template(template: dict[str, Any]) -> None:
    """Hold the template against what users may set.

    Raises:
        InvalidPodTemplate: for a field that is not among FIELDS, or a value that breaks its rule.
    """
    for field, value in template.items():
        check = FIELDS.get(field)
        if check is None:
            known = ", ".join(sorted(FIELDS))
            raise InvalidPodTemplate(f"{_WHERE}: unknown field {field!r}; allowed are {known}")
        check(value, f"{_WHERE}.{field}")


def _check_object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidPodTemplate(f"{where}: must be an object, found {type(value).__name__}")
    return value


def _check_list(most: int, value: object, where: str) -> None:
    if not isinstance(value, list) or len(value) > most:
        raise InvalidPodTemplate(f"{where}: must be a list of at most {most} objects")
    for position, member in enumerate(value):
        _check_object(member, f"{where}[{position}]")


def _check_name(value: object, where: str) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NAME:
        raise InvalidPodTemplate(f"{where}: must be a name of 1 to {MAX_NAME} characters")


def _check_map(longest: int, value: object, where: str) -> None:
    members = _check_object(value, where)
    if len(members) > MAX_MAP_MEMBERS:
        found = len(members)
        raise InvalidPodTemplate(f"{where}: {found} members; at most {MAX_MAP_MEMBERS} are allowed")
    for key, member in members.items():
        if not isinstance(member, str) or len(member) > longest:
            raise InvalidPodTemplate(f"{where}.{key}: must be a string of at most {longest} characters")


def _check_metadata(longest: int, pattern: str, value: object, where: str) -> None:
    _check_map(longest, value, where)
    for key, member in _check_object(value, where).items():
        if key in OPERATOR_KEYS or key.startswith(OPERATOR_KEY_PREFIXES):
            raise InvalidPodTemplate(f"{where}: {key!r} is set by the operator itself; remove it")
        if not re.fullmatch(pattern, member, re.DOTALL):
            raise InvalidPodTemplate(f"{where}.{key}: {member!r} is not a label value")


def _check_resources(value: object, where: str) -> None:
    for kind, quantities in _check_object(value, where).items():
        if kind not in ("requests", "limits"):
            raise InvalidPodTemplate(f"{where}: unknown field {kind!r}; allowed are requests, limits")
        members = _check_object(quantities, f"{where}.{kind}")
        if len(members) > MAX_RESOURCES:
            raise InvalidPodTemplate(f"{where}.{kind}: at most {MAX_RESOURCES} resources are allowed")
        for name, quantity in members.items():
            _check_quantity(quantity, f"{where}.{kind}.{name}")


def _check_quantity(value: object, where: str) -> None:
    number = isinstance(value, int) and not isinstance(value, bool)
    if not number and not (isinstance(value, str) and re.fullmatch(QUANTITY, value)):
        raise InvalidPodTemplate(f"{where}: {value!r} is not a quantity such as 500m or 256Mi")


def _check_pull_secrets(value: object, where: str) -> None:
    _check_list(MAX_PULL_SECRETS, value, where)
    names: set[str] = set()
    for position, secret in enumerate(value if isinstance(value, list) else []):
        if set(secret) != {"name"}:
            raise InvalidPodTemplate(f"{where}[{position}]: must have the field name and no other")
        _check_name(secret["name"], f"{where}[{position}].name")
        if secret["name"] in names:
            raise InvalidPodTemplate(f"{where}[{position}]: the name {secret['name']!r} stands twice")
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
"""What users may set, each with its check."""
