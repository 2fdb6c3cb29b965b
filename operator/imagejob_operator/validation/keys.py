"""Validation of keys that users write, which are relative to the namespace's prefix and cannot leave it.

The key of an object may be whatever S3 takes, except segments that HTTP clients and servers resolve.
Names that a user chooses also have no empty segments and no control characters: MinIO refuses the first, and
few programs can read the second.
"""

from __future__ import annotations

import re

from imagejob_operator.naming.names import RESERVED_ROOTS

MAX_KEY_BYTES = 1024
"""S3's limit on a key in UTF-8. The schema has a limit of 512 characters on the keys in a spec."""
MAX_SHOWN = 100
"""Characters of a key in a message."""
TEMPLATE_VARIABLES = ("dir", "stem", "name", "index", "rendition", "ext")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DOTS = re.compile(r"(?:^|/)\.{1,2}(?:/|\Z)")
_EMPTY = re.compile(r"//|/\Z")
_SURROGATES = re.compile(r"[\ud800-\udfff]")


def shown(key: str) -> str:
    """The key in quotes as a message shows it; the end of a long one is left out."""
    return repr(key if len(key) <= MAX_SHOWN else f"{key[:MAX_SHOWN]}…")


class InvalidKey(ValueError):
    """A key is invalid; the message names the field, the key and the rule."""


class KeyCollision(ValueError):
    """Two outputs have the same key; the message names both."""


def check_key(key: str, field: str) -> None:
    """Check a key that an object may have; raises InvalidKey."""
    size = len(key.encode(errors="surrogatepass"))
    if not 1 <= size <= MAX_KEY_BYTES:
        raise InvalidKey(f"{field}: {shown(key)} must have 1 to {MAX_KEY_BYTES} bytes in UTF-8, found {size}")
    if "\0" in key or _SURROGATES.search(key):
        raise InvalidKey(f"{field}: {shown(key)} must not contain NUL or half of a surrogate pair; remove it")
    if _DOTS.search(key):
        rule = "must not have a '.' or '..' segment, which HTTP clients and servers resolve"
        raise InvalidKey(f"{field}: {shown(key)} {rule}")
    if is_reserved(key):
        root = key.lstrip("/").partition("/")[0]
        raise InvalidKey(
            f"{field}: {shown(key)} is in {root}/, which is reserved for the operator; choose another key"
        )


def check_name(name: str, field: str) -> None:
    """Check a name that a user chooses; raises InvalidKey."""
    if name.startswith("/"):
        raise InvalidKey(f"{field}: {name!r} must not start with '/'; keys are relative to the namespace")
    if _CONTROL.search(name):
        raise InvalidKey(f"{field}: {name!r} must not contain control characters; remove them")
    if _EMPTY.search(name):
        raise InvalidKey(f"{field}: {name!r} must not have an empty segment; remove it")
    check_key(name, field)


def is_reserved(key: str) -> bool:
    """Whether a key is in a folder of the operator; a store on a file system ignores leading slashes."""
    return key.lstrip("/").partition("/")[0] in RESERVED_ROOTS


def check_prefix(prefix: str, field: str) -> None:
    """Check a prefix of keys that objects have; raises InvalidKey."""
    check_key(prefix, field)
    for root in RESERVED_ROOTS:
        if f"{root}/".startswith(prefix):
            raise InvalidKey(
                f"{field}: {prefix!r} is the start of {root}/, which is reserved for the operator; choose "
                "another prefix"
            )


def check_chosen_prefix(prefix: str, field: str) -> None:
    """Check a prefix that a user chooses, a name that may end with '/'; raises InvalidKey."""
    check_name(prefix.removesuffix("/"), field)
    check_prefix(prefix, field)


def check_template(template: str, field: str) -> None:
    """Raise InvalidKey if a key template has other variables or braces, or results in invalid keys."""
    if not re.fullmatch(f"([^{{}}]|[{{]({'|'.join(TEMPLATE_VARIABLES)})[}}])*", template):
        known = ", ".join("{" + variable + "}" for variable in TEMPLATE_VARIABLES)
        raise InvalidKey(f"{field}: {template!r}: only the variables {known} and no other braces are allowed")
    sample = template.format(dir="d/", stem="s", name="n", index="0", rendition="r", ext="e")
    check_name(sample, field)
