"""Finds objects by listing what their keys have in common: a page of a listing has a thousand of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from imagejob_operator.operations.concurrency import compute
from imagejob_operator.ports.object_store import ObjectStore, StoredObject

T = TypeVar("T")

MAX_LISTED = 1000
MAX_LISTED_PER_KEY = 10
"""A listing stops after MAX_LISTED objects and this many more for each key."""


async def listed_objects(
    store: ObjectStore, root: str, keys: Sequence[str], made: Callable[[str, StoredObject], T]
) -> tuple[dict[str, T], list[str]]:
    """What is made of the objects at some of `keys`, relative to `root`; and the keys that were not reached.

    One listing finds them, unless it has too many other objects. Keys that were reached and are not found do
    not exist.
    """
    if not keys:
        return {}, []
    # Computed, like all that goes through every key: there may be hundreds of thousands.
    wanted, common = await compute(_wanted, keys)
    limit = MAX_LISTED + MAX_LISTED_PER_KEY * len(wanted)
    found: dict[str, T] = {}
    listed, last = 0, ""
    async for stored in store.walk(root + common):
        listed, last = listed + 1, stored.key.removeprefix(root)
        if key := wanted.get(last):
            found[key] = made(key, stored)
        if listed >= limit:
            return found, await compute(_after, wanted, last)
    return found, []


def _wanted(keys: Sequence[str]) -> tuple[dict[str, str], str]:
    """The keys by themselves, so that no copies of them are kept; and what all of them start with."""
    return {key: key for key in keys}, os.path.commonprefix(keys)  # noqa: RUF071  (keys, not paths)


def _after(keys: Iterable[str], last: str) -> list[str]:
    return sorted(key for key in keys if key > last)
