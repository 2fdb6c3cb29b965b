"""Validation errors of msgspec as users read them: field, rule and value."""

from __future__ import annotations

import re
from collections.abc import Callable

_TYPES = {"str": "string", "int": "integer", "bool": "boolean", "array": "list"}
_COUNTED = {"str": "characters", "array": "items", "object": "entries"}
_BOUNDS = {">=": "at least", "<=": "at most"}

_Write = Callable[[re.Match[str], object], str]


def _wrong_type(match: re.Match[str], _: object) -> str:
    wanted = " or ".join(_TYPES.get(word, word) for word in match[1].split(" | "))
    return f"must be of type {wanted}, found {_TYPES.get(match[2], match[2])}"


def _wrong_length(match: re.Match[str], value: object) -> str:
    if value in ("", [], {}):
        return "must not be empty"
    found = len(value) if isinstance(value, str | list | dict) else 0
    return f"must have {_BOUNDS[match[2]]} {match[3]} {_COUNTED[match[1]]}, found {found}"


def _wrong_form(match: re.Match[str], value: object) -> str:
    return f"{str(value)[:60]!r} must match the pattern {match[1]}$"


_RULES: tuple[tuple[str, _Write], ...] = (
    ("Object missing required field `(.+)`", lambda m, _: f"the required field {m[1]!r} is missing"),
    ("Object contains unknown field `(.+)`", lambda m, _: f"unknown field {m[1]!r}; remove it"),
    ("Invalid enum value (.+)", lambda m, _: f"{m[1]} is not one of the allowed values"),
    ("Expected `(.+)`, got `(.+)`", _wrong_type),
    ("Expected `(.+)` of length (>=|<=) ([0-9]+)", _wrong_length),
    ("Expected `.+` (>=|<=) ([0-9]+)", lambda m, value: f"must be {_BOUNDS[m[1]]} {m[2]}, found {value}"),
    (r"Expected `str` matching regex '(.+)\\\\Z'", _wrong_form),
)


def explain(error: Exception, raw: object, root: str) -> str:
    """Describe why `raw`, the object at the path `root`, was rejected; values are shortened."""
    text, _, path = str(error).partition(" - at `$")
    path = path.removesuffix("`")
    value = raw
    for name, position in re.findall(r"\.(\w+)|\[([0-9]+)\]", path.partition("[...]")[0]):
        value = value[int(position)] if position else value[name]  # type: ignore[index]
    for rule, write in _RULES:
        if match := re.fullmatch(rule, text):
            text = write(match, value)
            break
    return f"{root}{path.replace('[...]', '')}: {text}"
