"""Keys in the listings of a store that ignores `encoding-type=url`, as versitygw does.

Its listings are XML 1.0, which has no characters for most control characters. REPLACED stands for each of
them, so the object has another key, and no request finds it by the one that is listed.
"""

from __future__ import annotations

import re

REPLACED = "\ufffd"
"""What Go, in which many stores are written, puts in place of a character that XML cannot have."""
_UNWRITTEN = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_FORBIDDEN = re.compile(
    rb"[\x01-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]"
    rb"|&#(?:0*(?:[1-8]|1[124-9]|2\d|3[01]|6553[45])|x0*(?:[1-8bcef]|1[0-9a-f]|fff[ef]));",
    re.IGNORECASE,
)


def listed_as(key: str) -> str:
    """The key as such a store lists it."""
    return _UNWRITTEN.sub(REPLACED, key)


def is_always_listed(key: str) -> bool:
    """Whether every store lists an object with this key by its key, and no other object."""
    return REPLACED not in listed_as(key)


def is_in_xml(key: str) -> bool:
    """Whether a reader of XML has the key as it was written; a carriage return is read as a line feed."""
    return "\r" not in key and listed_as(key) == key


def known_part(listed: str) -> str:
    """What the key of a listed object certainly starts with: all of it, if nothing was replaced."""
    return listed.partition(REPLACED)[0]


def escaped(shown: str) -> str:
    r"""A text that names a listed key, with REPLACED as \ufffd."""
    return shown.replace(REPLACED, r"\ufffd")


def not_named(shown: str) -> str:
    """The beginning of a message about an object whose key is not the listed one, which is `shown`."""
    return (
        rf"the store lists {escaped(shown)}, where \ufffd stands for a control character, and does not say "
        "which (it ignores encoding-type=url)"
    )


def valid_xml(data: bytes) -> bytes:
    """The same XML, with REPLACED for what XML 1.0 cannot have, written as it is or as a number.

    There are stores that write keys in one of these ways.
    """
    return _FORBIDDEN.sub(REPLACED.encode(), data)
