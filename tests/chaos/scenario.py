"""A scenario: the job, and what happens beside the operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chaos.living import Setup
from fakes.memory_cluster import Script
from fakes.scripts import well

if TYPE_CHECKING:
    from chaos.arena import Arena


@dataclass(frozen=True)
class Step:
    """An action of a user as soon as a condition holds."""

    when: Callable[[Arena], bool]
    do: Callable[[Arena], object]


@dataclass(frozen=True)
class Scenario:
    """A scenario: the job, and what happens beside the operator."""

    name: str
    spec: Mapping[str, Any] = field(default_factory=dict)
    script: Script = field(default_factory=well)
    steps: Sequence[Step] = ()
    prepare: Callable[[Arena], object] = lambda arena: None
    sources: Mapping[str, bytes] = field(
        default_factory=lambda: {"uploads/a.jpg": b"aaa", "uploads/b.png": b"bb"}
    )
    setup: Setup = field(default_factory=Setup)
    tenants: bool = False
    """Whether ImageStores are there, so that what is asked of the API server about them counts."""
    timed: bool = False
    """Whether its end rests on seconds that pass: a clock that is set rightly makes them more or fewer."""
    names_last_error: bool = False
    """Whether it fails at a deadline with what its last try met, which may be the fault itself."""
    some_outputs: bool = False
    """Whether it depends on the moment how many outputs there are; never which."""
