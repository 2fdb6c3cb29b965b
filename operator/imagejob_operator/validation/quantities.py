"""Kubernetes quantities, such as 500m or 256Mi, with bounds that keep their arithmetic cheap."""

from __future__ import annotations

import re
from decimal import Decimal

QUANTITY = r"[+]?([0-9]{1,19}([.][0-9]{0,9})?|[.][0-9]{1,9})(([KMGTPE]i)|[numkMGTPE]|([eE][-+]?[0-9]{1,2}))?"
MAX_AMOUNT = 2**63 - 1
"""The largest amount that Kubernetes represents."""

_SUFFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "m": -3, "u": -6, "n": -9}
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


class InvalidQuantity(ValueError):
    """The value is not a quantity, or too large; the message has the value and the rule."""


def amount(quantity: object) -> Decimal:
    """Parse a quantity such as 500m, 1Gi or 1e3; raises InvalidQuantity."""
    if isinstance(quantity, int) and not isinstance(quantity, bool):
        value = Decimal(quantity)
    elif isinstance(quantity, str) and re.fullmatch(QUANTITY, quantity):
        value = _parsed(quantity)
    else:
        raise InvalidQuantity(f"{quantity!r:.60} is not a valid quantity, such as 500m or 256Mi")
    if not 0 <= value <= MAX_AMOUNT:
        raise InvalidQuantity(f"{quantity!r:.60} must be at least 0 and at most {MAX_AMOUNT}")
    return value


def _parsed(text: str) -> Decimal:
    if text[-2:] in _BINARY:
        return Decimal(text[:-2]) * Decimal(1024) ** (_BINARY.index(text[-2:]) + 1)
    if text[-1:] in _SUFFIXES:
        return Decimal(text[:-1]).scaleb(_SUFFIXES[text[-1]])
    return Decimal(text)
