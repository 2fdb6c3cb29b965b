"""Every scenario without faults, run once per process."""

from __future__ import annotations

from functools import cache

from chaos.kills import Undisturbed, undisturbed
from chaos.scenarios import BY_NAME


@cache
def base_of(name: str) -> Undisturbed:
    """The scenario of that name without faults."""
    return undisturbed(BY_NAME[name])


def verdict(found: list[str]) -> str:
    """The message of a test about divergences."""
    return f"{len(found)} diverged, the first: " + "\n".join(found[:3])
