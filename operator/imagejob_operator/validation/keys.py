"""Validation of keys that users write, which are relative to the namespace's prefix and cannot leave it."""

from __future__ import annotations

import re

from imagejob_operator.naming.names import RESERVED_ROOTS

MAX_KEY_CHARACTERS = 512
TEMPLATE_VARIABLES = ("dir", "stem", "name", "index", "rendition", "ext")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CLIMBS = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")


class InvalidKey(ValueError):
    """A key is invalid; the message names the field, the key and the rule."""


class KeyCollision(ValueError):
    """Two outputs have the same key; the message names both."""


def check_relative_key(key: str, field: str) -> None:
    """Check length and form of a key; raises InvalidKey."""
    if not key or len(key) > MAX_KEY_CHARACTERS:
        raise InvalidKey(
            f"{field}: {key[:60]!r} must have 1 to {MAX_KEY_CHARACTERS} characters, found {len(key)}"
        )
    check_segments(key, field)


def check_segments(key: str, field: str) -> None:
    """Check the form of a key of any length; raises InvalidKey."""
    if key.startswith("/"):
        raise InvalidKey(f"{field}: {key!r} must not start with '/'; keys are relative to the namespace")
    if _CONTROL.search(key):
        raise InvalidKey(f"{field}: {key!r} must not contain control characters; remove them")
    if _CLIMBS.search(key):
        raise InvalidKey(f"{field}: {key!r} must not have an empty, '.' or '..' segment; remove it")
    check_reserved(key, field)


def is_reserved(key: str) -> bool:
    """Whether a key is in a folder of the operator."""
    return key.partition("/")[0] in RESERVED_ROOTS


def check_reserved(key: str, field: str) -> None:
    """Raise InvalidKey if a key is in a folder of the operator."""
    if is_reserved(key):
        root = key.partition("/")[0]
        raise InvalidKey(
            f"{field}: {key!r} is in {root}/, which is reserved for the operator; choose another key"
        )


def check_prefix(prefix: str, field: str) -> None:
    """Check a prefix, a key that may end with '/'; raises InvalidKey."""
    check_relative_key(prefix.removesuffix("/") if len(prefix) <= MAX_KEY_CHARACTERS else prefix, field)
    for root in RESERVED_ROOTS:
        if f"{root}/".startswith(prefix):
            raise InvalidKey(
                f"{field}: {prefix!r} is the start of {root}/, which is reserved for the operator; choose "
                "another prefix"
            )


def check_template(template: str, field: str) -> None:
    """Raise InvalidKey if a key template has other variables or braces, or results in invalid keys."""
    if not re.fullmatch(f"([^{{}}]|[{{]({'|'.join(TEMPLATE_VARIABLES)})[}}])*", template):
        known = ", ".join("{" + variable + "}" for variable in TEMPLATE_VARIABLES)
        raise InvalidKey(f"{field}: {template!r}: only the variables {known} and no other braces are allowed")
    sample = template.format(dir="d/", stem="s", name="n", index="0", rendition="r", ext="e")
    check_relative_key(sample, field)
