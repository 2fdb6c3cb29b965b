"""Names of objects and namespaces, checked before they become part of a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from imagejob.errors import Invalid

_NAME = re.compile("[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
MAX_JOB_NAME = 52
"""Characters of the name of an ImageJob, from which the names of its Pods are made."""
_NAMESPACE = re.compile("[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def checked_name(name: str) -> str:
    """The name of an object; raises Invalid if no object can have it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Invalid(
            f"{name!r} is no name of an object: a name has 1 to 253 characters of a-z, 0-9, '-' and '.', and "
            "starts and ends with a letter or digit",
            ("metadata.name",),
        )
    return name


def check_job_name(metadata: Mapping[str, Any]) -> None:
    """Check the name or generateName of a new ImageJob; raises Invalid if the API server would refuse it."""
    field = "name" if metadata.get("name") else "generateName"
    given = metadata.get(field) or ""
    # The API server adds five characters to a generateName, which may end with '-'.
    added = "" if field == "name" else "x" * 5
    most = MAX_JOB_NAME - len(added)
    if not isinstance(given, str):
        wrong = "it is no text"
    elif "." in given:
        wrong = "it has a dot"
    elif len(given) > most:
        wrong = f"it has {len(given)} characters"
    elif not _NAMESPACE.fullmatch(given + added):
        wrong = "it has other characters, or starts or ends with '-'"
    else:
        return
    raise Invalid(
        f"metadata.{field}: {given!r:.100} is no name of an ImageJob: {wrong}; it has 1 to {most} characters "
        "of a-z, 0-9 and '-', and starts and ends with a letter or digit; choose another one",
        (f"metadata.{field}",),
    )


def checked_namespace(namespace: str) -> str:
    """The name of a namespace; raises Invalid if no namespace can have it."""
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise Invalid(
            f"{namespace!r} is no name of a namespace: it has 1 to 63 characters of a-z, 0-9 and '-', and "
            "starts and ends with a letter or digit; choose another one with -n",
            ("metadata.namespace",),
        )
    return namespace
