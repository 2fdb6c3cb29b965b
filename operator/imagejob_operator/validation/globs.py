"""Globs over keys: `*` and `?` match within a segment, `**` matches any number of segments."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence


def matcher(include: Sequence[str], exclude: Sequence[str]) -> Callable[[str], bool]:
    """A test whether a key matches an include glob (or there is none) and no exclude glob."""
    included, excluded = _compiled(include or ("**",)), _compiled(exclude)

    def matches(key: str) -> bool:
        # Each segment of a key ends with '/' in the expressions.
        segments = f"{key}/"
        return any(glob.fullmatch(segments) for glob in included) and not any(
            glob.fullmatch(segments) for glob in excluded
        )

    return matches


def _compiled(globs: Sequence[str]) -> list[re.Pattern[str]]:
    return [re.compile(_expression(glob), re.DOTALL) for glob in dict.fromkeys(globs)]


def _expression(glob: str) -> str:
    """The expression of a glob.

    What is between two `**`, or two `*`, is searched once and its first place is kept, by atomic groups: no
    later place could match more. So the cost is at most the product of the lengths of the glob and the key.
    """
    chunks: list[list[str]] = [[]]
    """The segments between the `**`."""
    for segment in glob.split("/"):
        if segment != "**":
            chunks[-1].append(f"{_segment(segment)}/")
        elif chunks[-1] or len(chunks) == 1:
            chunks.append([])
    first, *others = ("".join(chunk) for chunk in chunks)
    if not others:
        return first
    *between, last = others
    any_segments = "(?:[^/]*+/)*?"
    searched = "".join(f"(?>{any_segments}{chunk})" for chunk in between)
    return first + searched + (f"{any_segments}{last}" if last else ".*")


def _segment(segment: str) -> str:
    first, *others = (re.escape(piece).replace(r"\?", "[^/]") for piece in segment.split("*"))
    if not others:
        return first
    *between, last = others
    searched = "".join(f"(?>[^/]*?{piece})" for piece in between)
    return f"(?>{first}{searched}[^/]*{last}(?=/))"
