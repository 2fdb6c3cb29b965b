"""Keys in the store: what users may name, where the outputs go, where a run's staging lies.

Every key of a user is *relative*: it is resolved below the part of the bucket that belongs to the job's
namespace, and nothing in it can climb out of there.
"""

from __future__ import annotations

import re

from imagejob_operator.naming.names import RESERVED_ROOTS

MAX_KEY_CHARACTERS = 512

TEMPLATE_VARIABLES = ("dir", "stem", "name", "index", "rendition", "ext")


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_CLIMBS = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")


class InvalidKey(ValueError):
    """A key that users may not use; the message names the field, the key and the rule."""


class KeyCollision(ValueError):
    """Two outputs would have the same key; the message names both."""


def check_relative_key(key: str, field: str) -> None:
    """Hold a user's key in its jail.

    Raises:
        InvalidKey: for an absolute key, an empty, `.` or `..` segment, a control character, or a name
            that the operator keeps for itself.
    """
    if not key or len(key) > MAX_KEY_CHARACTERS:
        raise InvalidKey(
            f"{field}: {key[:60]!r} has {len(key)} characters; 1 to {MAX_KEY_CHARACTERS} are allowed"
        )
    check_jail(key, field)


def check_jail(key: str, field: str) -> None:
    """Hold a key of any length in its jail.

    Raises:
        InvalidKey: as `check_relative_key`.
    """
    if key.startswith("/"):
        raise InvalidKey(
            f"{field}: {key!r} must not start with '/'; keys are relative to the namespace's part"
        )
    if _CONTROL.search(key):
        raise InvalidKey(f"{field}: {key!r} must not contain control characters")
    if _CLIMBS.search(key):
        raise InvalidKey(f"{field}: {key!r} must not have an empty, '.' or '..' segment")
    check_reserved(key, field)


def check_reserved(key: str, field: str) -> None:
    """Keep users out of the operator's own folders.

    Raises:
        InvalidKey: for a key whose first segment is one of them.
    """
    root = key.partition("/")[0]
    if root in RESERVED_ROOTS:
        raise InvalidKey(f"{field}: {key!r} starts with {root!r}, which the operator keeps for itself")


def check_prefix(prefix: str, field: str) -> None:
    """Hold a user's prefix in its jail; a prefix may end with one '/'.

    Raises:
        InvalidKey: as `check_relative_key`.
    """
    check_relative_key(prefix.removesuffix("/") if len(prefix) <= MAX_KEY_CHARACTERS else prefix, field)


def check_template(template: str, field: str) -> None:
    """Check that a key template names only known variables and cannot leave the jail.

    Raises:
        InvalidKey: for an unknown variable, a stray brace, or a template that breaks the rules of keys.
    """
    if not re.fullmatch(f"([^{{}}]|[{{]({'|'.join(TEMPLATE_VARIABLES)})[}}])*", template):
        known = ", ".join("{" + variable + "}" for variable in TEMPLATE_VARIABLES)
        raise InvalidKey(f"{field}: {template!r} may use the variables {known} and no other braces")
    sample = template.format(dir="d/", stem="s", name="n", index="0", rendition="r", ext="e")
    check_relative_key(sample, field)
