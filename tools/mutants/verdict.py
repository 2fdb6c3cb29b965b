"""Counts the mutants per part of the operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mutants.harmless import function_of

PARTS = {"decision": 0.95, "operations and controller": 0.90}
"""The least share of killed mutants."""


def part_of(name: str) -> str:
    """Return the part that a mutant belongs to."""
    return "decision" if name.startswith("imagejob_operator.decision.") else "operations and controller"


@dataclass(frozen=True, slots=True)
class Tally:
    """Names of a sample, and its survivors with their changes."""

    names: Sequence[str]
    survivors: Mapping[str, str]
    excused: Mapping[str, str]
    """Survivors that are listed as harmless, with the reasons."""

    @classmethod
    def of(
        cls, names: Sequence[str], survivors: Mapping[str, str], harmless: Mapping[tuple[str, str], str]
    ) -> Tally:
        """Separate the survivors that are harmless."""
        reasons = {name: harmless.get((function_of(name), change), "") for name, change in survivors.items()}
        excused = {name: why for name, why in reasons.items() if why}
        return cls(names, {n: c for n, c in survivors.items() if n not in excused}, excused)

    def counts(self, part: str) -> tuple[int, int]:
        """Return how many of a part were killed, of how many that are not harmless."""
        members = [name for name in self.names if part_of(name) == part and name not in self.excused]
        return len(members) - sum(name in self.survivors for name in members), len(members)

    def share(self, part: str) -> float:
        """Return the share of killed mutants of a part; 0 without any."""
        killed, total = self.counts(part)
        return killed / total if total else 0.0


def report(tally: Tally, seed: int) -> str:
    """Return the text for the terminal: the survivors first, the shares last."""
    lines = [f"{name}\n{change}\n" for name, change in sorted(tally.survivors.items())]
    lines.append(f"{len(tally.names)} mutants, seed {seed}, {len(tally.excused)} harmless")
    for part, least in PARTS.items():
        killed, total = tally.counts(part)
        lines.append(f"{part}: {killed} of {total} killed, {tally.share(part):.1%} (at least {least:.0%})")
    return "\n".join(lines)
