"""Globs over keys: `*` matches within a segment, `**` matches any number of segments."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence


def matches(key: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether a key matches an include glob (or there is none) and no exclude glob."""
    if include and not any(glob_matches(glob, key) for glob in include):
        return False
    return not any(glob_matches(glob, key) for glob in exclude)


def glob_matches(glob: str, key: str) -> bool:
    """Whether a glob matches the whole key."""
    segments, reachable = key.split("/"), {0}
    for part in glob.split("/"):
        if part == "**":
            reachable = {end for start in reachable for end in range(start, len(segments) + 1)}
        else:
            rest = reachable - {len(segments)}
            reachable = {start + 1 for start in rest if fnmatch.fnmatchcase(segments[start], part)}
    return len(segments) in reachable
