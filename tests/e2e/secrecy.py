"""A search of what anybody can read for the keys of stores and for signed URLs."""

from __future__ import annotations

import re
from collections.abc import Collection

SIGNATURE = re.compile(r"X-Amz-(?:Signature|Credential|Security-Token)=|\bAWSAccessKeyId=")
CONTEXT = 60
"""Characters of the text before what was found."""


def revealed(text: str, keys: Collection[str]) -> list[str]:
    """What a text reveals: each key or signature, with the text before it."""
    patterns = [SIGNATURE, *(re.compile(re.escape(key)) for key in keys if key)]
    return [
        text[max(0, found.start() - CONTEXT) : found.start()] + "<found here>"
        for pattern in patterns
        for found in pattern.finditer(text)
    ]
