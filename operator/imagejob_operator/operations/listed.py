"""Finds objects by listing what their keys have in common: a page of a listing has a thousand of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from imagejob_operator.naming.listed_keys import is_always_listed, known_part
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.ports.object_store import ObjectStore, StoredObject

T = TypeVar("T")

MAX_LISTED = 1000
MAX_LISTED_PER_KEY = 10
"""A listing stops after MAX_LISTED objects and this many more for each key."""


async def listed_objects(
    store: ObjectStore, root: str, keys: Sequence[str], made: Callable[[str, StoredObject], T]
) -> tuple[dict[str, T], list[str]]:
    """What is made of the objects at some of `keys`, relative to `root`; and the keys that are not known.

    One listing finds them, unless it has too many other objects, or a key may be listed as another one. Other
    keys that are not found do not exist.
    """
    if not keys:
        return {}, []
    # Computed, like all that goes through every key: there may be hundreds of thousands.
    wanted, unsure, common = await compute(_wanted, keys)
    limit = MAX_LISTED + MAX_LISTED_PER_KEY * len(keys)
    found: dict[str, T] = {}
    listed, last = 0, ""
    async for stored in store.walk(root + common):
        listed, name = listed + 1, stored.key.removeprefix(root)
        if key := wanted.get(name):
            found[key] = made(key, stored)
        last = max(last, known_part(name))
        if listed >= limit:
            return found, unsure + await compute(_after, wanted, last)
    return found, unsure


def _wanted(keys: Sequence[str]) -> tuple[dict[str, str], list[str], str]:
    """Keys by themselves, so that no copies of them are kept; others; and what all of them start with."""
    wanted = {key: key for key in keys if is_always_listed(key)}
    unsure = sorted(set(keys) - wanted.keys()) if len(wanted) < len(keys) else []
    return wanted, unsure, os.path.commonprefix(keys)  # noqa: RUF071  (keys, not paths)


def _after(keys: Iterable[str], last: str) -> list[str]:
    return sorted(key for key in keys if key > last)
