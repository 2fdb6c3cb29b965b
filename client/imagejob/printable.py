"""Text of the cluster or of a store, as a terminal may show it."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""One line, with an escape such as `\x1b` for each character that does more than to show itself.

    These are control characters, line breaks, and characters that change the direction of the text. Keys and
    messages may have them.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
