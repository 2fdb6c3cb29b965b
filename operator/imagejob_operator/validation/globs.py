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
    return _glob_segments(glob.split("/"), key.split("/"))


def _glob_segments(globs: list[str], segments: list[str]) -> bool:
    reachable = {0}
    for glob in globs:
        if glob == "**":
            reachable = {end for start in reachable for end in range(start, len(segments) + 1)}
        else:
            reachable = {
                start + 1
                for start in reachable
                if start < len(segments) and fnmatch.fnmatchcase(segments[start], glob)
            }
    return len(segments) in reachable
