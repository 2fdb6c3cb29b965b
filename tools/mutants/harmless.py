"""Mutants that no test can or need notice, and why."""

from __future__ import annotations

import tomllib
from pathlib import Path

HARMLESS = Path("tests") / "mutants" / "harmless.toml"


def harmless(text: str) -> dict[tuple[str, str], str]:
    """Return the reasons by function and change."""
    entries = tomllib.loads(text).get("mutant", [])
    return {(entry["function"], entry["change"].strip()): entry["why"] for entry in entries}


def function_of(name: str) -> str:
    """Return the dotted name of the function of a mutant, as mutmut writes it, without the number."""
    return name.rpartition("__mutmut_")[0]
