"""A search of what anybody can read for the keys of stores and for signed URLs."""

from __future__ import annotations

import re
from collections.abc import Collection

SIGNATURE = re.compile(r"X-Amz-(?:Signature|Credential|Security-Token)=|\bAWSAccessKeyId=")
HIDDEN = "<key>"
CONTEXT = 60
"""Characters of the text before what was found."""


def revealed(text: str, keys: Collection[str]) -> list[str]:
    """What a text reveals: each key or signature, with the text before it, in which keys are hidden."""
    for key in filter(None, keys):
        text = text.replace(key, HIDDEN)
    found = [*SIGNATURE.finditer(text), *re.finditer(HIDDEN, text)]
    return [text[max(0, one.start() - CONTEXT) : one.end()] for one in found]
