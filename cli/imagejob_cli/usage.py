"""Messages of Typer about wrong arguments, in the words of this program."""

from __future__ import annotations

import re

_REPLACED = (
    (r"Value error, ", ""),
    (r"Input should be a valid integer.*", "it must be an integer"),
    (r"Input should be a valid number.*", "it must be a number"),
    (r"Input should be greater than or equal to (\S+)", r"it must be at least \1"),
    (r"Input should be less than or equal to (\S+)", r"it must be at most \1"),
)


def usage_message(text: str) -> str:
    """The message without the words of the libraries that check values."""
    for pattern, replacement in _REPLACED:
        text = re.sub(pattern, replacement, text)
    return text
