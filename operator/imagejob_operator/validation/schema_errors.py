"""Validation errors of msgspec as users read them: field, rule and value, and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from msgspec import inspect

_TYPES = {"str": "string", "int": "integer", "bool": "boolean", "array": "list"}
_COUNTED = {"str": "characters", "array": "items", "object": "entries"}
_BOUNDS = {">=": "at least", "<=": "at most"}

MAX_GUESSED = 64
"""Characters of a word for which a similar one is looked for."""

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
    ("Expected `(.+)`, got `(.+)`", _wrong_type),
    ("Expected `(.+)` of length (>=|<=) ([0-9]+)", _wrong_length),
    ("Expected `.+` (>=|<=) ([0-9]+)", lambda m, value: f"must be {_BOUNDS[m[1]]} {m[2]}, found {value}"),
    (r"Expected `str` matching regex '(.+)\\\\Z'", _wrong_form),
)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant; empty if none is similar."""
    folded = {one.lower(): one for one in known}
    found = difflib.get_close_matches(word.lower(), folded, 1) if len(word) <= MAX_GUESSED else []
    return folded[found[0]] if found else ""


def unknown_field(name: str, known: Iterable[str]) -> str:
    """What a message says of a field that does not exist."""
    near = nearest(name, known)
    return f"unknown field {name!r}; " + (f"did you mean {near!r}?" if near else "remove it")


def explain(error: Exception, raw: object, root: str, kind: type) -> str:
    """Describe why `raw`, the object at the path `root`, is no `kind`; values are shortened."""
    text, _, path = str(error).partition(" - at `$")
    path = path.removesuffix("`")
    value = raw
    for name, position in re.findall(r"\.(\w+)|\[([0-9]+)\]", path.partition("[...]")[0]):
        value = value[int(position)] if position else value[name]  # type: ignore[index]
    for rule, write in _RULES:
        if match := re.fullmatch(rule, text):
            text = write(match, value)
            break
    else:
        text = _with_known(text, _at(kind, path))
    return f"{root}{path.replace('[...]', '')}: {text}"


def _with_known(text: str, known: Sequence[inspect.Type]) -> str:
    """The message on a field or a value that is not known, with those that are."""
    if match := re.fullmatch("Object contains unknown field `(.+)`", text):
        fields = [
            field.encode_name for one in known if isinstance(one, inspect.StructType) for field in one.fields
        ]
        return unknown_field(match[1], fields)
    if match := re.fullmatch("Invalid enum value (.+)", text):
        values = [value for one in known for value in _values(one)]
        near = nearest(match[1].strip("'"), map(str, values))
        question = f"; did you mean {near}?" if near else ""
        return f"{match[1]} is not one of {', '.join(map(str, values))}{question}"
    return text


def _values(kind: inspect.Type) -> list[object]:
    if isinstance(kind, inspect.EnumType):
        return [member.value for member in kind.cls]
    return list(kind.values) if isinstance(kind, inspect.LiteralType) else []


@cache
def _described(kind: type) -> inspect.Type:
    return inspect.type_info(kind)


def _at(kind: type, path: str) -> list[inspect.Type]:
    """The types that the value at a path may have."""
    found = _alternatives(_described(kind))
    for name, item in re.findall(r"\.(\w+)|(\[)", path):
        found = [inner for one in found for inner in _inside(one, name, bool(item))]
    return found


def _inside(kind: inspect.Type, name: str, item: bool) -> list[inspect.Type]:
    if isinstance(kind, inspect.StructType) and not item:
        return [
            one for field in kind.fields if field.encode_name == name for one in _alternatives(field.type)
        ]
    if isinstance(kind, inspect.CollectionType) and item:
        return _alternatives(kind.item_type)
    if isinstance(kind, inspect.DictType) and item:
        return _alternatives(kind.value_type)
    return []


def _alternatives(kind: inspect.Type) -> list[inspect.Type]:
    if isinstance(kind, inspect.Metadata):
        return _alternatives(kind.type)
    return list(kind.types) if isinstance(kind, inspect.UnionType) else [kind]
