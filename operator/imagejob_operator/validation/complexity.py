"""The number of values in an object, which bounds the time that its validation takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

MAX_VALUES = 20_000
"""More than twice what the longest valid lists of a spec have."""
MAX_DEPTH = 32


class TooComplex(ValueError):
    """An object has too many values, or they are nested too deeply; the message names the limit."""


def check_complexity(raw: object, field: str) -> None:
    """Raise TooComplex if `raw`, which may be any JSON value, exceeds a limit."""
    level: Sequence[object] = [raw]
    left = MAX_VALUES
    for _ in range(MAX_DEPTH):
        level = list(islice(_members(level), left + 1))
        if len(level) > left:
            raise TooComplex(f"{field}: it has more than {MAX_VALUES} values; use fewer or shorter lists")
        left -= len(level)
        if not level:
            return
    raise TooComplex(f"{field}: it is nested more than {MAX_DEPTH} levels deep; remove the nesting")


def _members(level: Sequence[object]) -> Iterator[object]:
    for value in level:
        if isinstance(value, dict):
            yield from value.values()
        elif isinstance(value, list):
            yield from value
