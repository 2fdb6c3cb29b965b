"""The links of a page: relative, http or https."""

from __future__ import annotations

import re
from collections.abc import Callable

Link = Callable[[str], str | None]
"""The URL of an object by its key; None if it has none."""

_URL = re.compile(
    r"""
    (?: https?://[^/]           # with a host
      | (?! [a-z][a-z0-9+.-]*:  # or relative: without a scheme,
          | // )                # and without another host
    )
    [!\#-&(-;=?-\[\]_a-z~]+     # no spaces, control characters, quotes, angle brackets or backslashes
    """,
    re.IGNORECASE | re.VERBOSE,
)


def safe(url: str | None) -> str | None:
    r"""The URL if a page may link to it: relative, http or https, and percent-encoded; else None.

    Browsers ignore line breaks in URLs and read `\` as `/`, so such URLs are refused too.
    """
    return url if url and url.isascii() and _URL.fullmatch(url) else None
