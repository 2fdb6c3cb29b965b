"""Every scenario as it goes undisturbed, played once in a process."""

from __future__ import annotations

from functools import cache

from chaos.kills import Undisturbed, undisturbed
from chaos.scenarios import BY_NAME


@cache
def base_of(name: str) -> Undisturbed:
    """The scenario of that name, undisturbed."""
    return undisturbed(BY_NAME[name])


def verdict(found: list[str]) -> str:
    """What a test says of divergences."""
    return f"{len(found)} diverged, the first: " + "\n".join(found[:3])
