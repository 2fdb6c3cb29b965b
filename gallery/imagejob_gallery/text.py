"""Text of a report as a page shows it."""

from __future__ import annotations

import html


def visible(text: str) -> str:
    r"""The text with an escape such as `\n` or `\u202e` for each character that has no visible form.

    Keys may have control characters, and characters that change the direction of what follows.
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def source_element(content_type: str, srcset: str) -> str:
    """The HTML `<source>` element for a content type, to be copied into another page."""
    return f'<source type="{html.escape(content_type)}" srcset="{html.escape(srcset)}">'
