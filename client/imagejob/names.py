"""Names of objects and namespaces, checked before they become part of a URL."""

from __future__ import annotations

import re

from imagejob.errors import Invalid

_NAME = re.compile("[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
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


def checked_namespace(namespace: str) -> str:
    """The name of a namespace; raises Invalid if no namespace can have it."""
    if not isinstance(namespace, str) or not _NAMESPACE.fullmatch(namespace):
        raise Invalid(
            f"{namespace!r} is no name of a namespace: it has 1 to 63 characters of a-z, 0-9 and '-', and "
            "starts and ends with a letter or digit; choose another one with -n",
            ("metadata.namespace",),
        )
    return namespace
