"""Where in an operator's memory something is still spoken of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

OURS = "imagejob_operator."


def traces(root: object, words: set[str]) -> list[str]:
    """The places below an object, as paths, that contain one of the words.

    It goes through our own objects and through containers; what runs (tasks, functions) and the fakes that
    stand for the world are left out.
    """
    found: list[str] = []
    seen: set[int] = set()
    open_ends: list[tuple[str, object]] = [(type(root).__name__, root)]
    while open_ends:
        path, thing = open_ends.pop()
        if isinstance(thing, str):
            if any(word in thing for word in words):
                found.append(path)
        elif id(thing) not in seen:
            seen.add(id(thing))
            open_ends += [(f"{path}{step}", inner) for step, inner in _inside(thing)]
    return sorted(found)


def _inside(thing: Any) -> Iterator[tuple[str, object]]:
    if isinstance(thing, dict):
        for key, value in thing.items():
            yield "{key}", key
            yield f"[{key if isinstance(key, str) else '…'}]", value
    elif isinstance(thing, list | tuple | set | frozenset) or type(thing).__module__ == "collections":
        yield from (("[]", member) for member in thing)
    elif type(thing).__module__.startswith(OURS) and not isinstance(thing, type | asyncio.Task):
        # The fields of msgspec's structs have their own traversal.
        fields = getattr(thing, "__struct_fields__", ())
        names = [*getattr(thing, "__dict__", ()), *_slots(type(thing)), *fields]
        yield from ((f".{name}", getattr(thing, name)) for name in names if hasattr(thing, name))


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots
