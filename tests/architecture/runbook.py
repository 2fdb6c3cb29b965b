"""The runbook as its readers and its links see it: headings, anchors, blocks of commands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUNBOOK = ROOT / "docs" / "administrators" / "runbook.md"


@dataclass(frozen=True)
class Block:
    """One fenced block of shell commands, below the heading with this anchor."""

    anchor: str
    number: int
    lines: tuple[str, ...]

    @property
    def commands(self) -> tuple[str, ...]:
        return tuple(line for line in self.lines if not line.startswith("#"))

    @property
    def needs(self) -> str:
        """What its first line says that it needs; empty if it can be run at any time."""
        first = self.lines[0]
        return first.removeprefix("# ") if first.startswith("# ") else ""

    def __str__(self) -> str:
        return f"{self.anchor}-{self.number}"


def github_anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading (a second one of the same text gets a number)."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def headings(text: str) -> list[tuple[int, str]]:
    """Level and text of every heading outside of code."""
    found = re.findall(r"^(#{1,6}) (.+)$", _without_code(text), re.MULTILINE)
    return [(len(level), heading.strip()) for level, heading in found]


def anchors(text: str) -> list[str]:
    return [github_anchor(heading) for _, heading in headings(text)]


def sections(text: str) -> dict[str, str]:
    """The text below every heading, by its anchor, up to the next heading."""
    parts = re.split(r"^#{1,6} (.+)$", _mask_comments(text), flags=re.MULTILINE)
    return {github_anchor(heading): body for heading, body in zip(parts[1::2], parts[2::2], strict=True)}


def blocks(text: str) -> list[Block]:
    """All blocks of shell commands, in their order."""
    found = []
    for anchor, body in sections(text).items():
        fenced = re.findall(r"^```sh\n(.*?)^```$", body, re.MULTILINE | re.DOTALL)
        for number, block in enumerate(fenced):
            lines = tuple(line.replace("\0", "#") for line in block.splitlines() if line.strip())
            found.append(Block(anchor, number, lines))
    return found


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def _mask_comments(text: str) -> str:
    """A comment in a block is no heading."""

    def mask(found: re.Match[str]) -> str:
        return re.sub(r"^#", "\0", found[0], flags=re.MULTILINE)

    return re.sub(r"^```.*?^```$", mask, text, flags=re.MULTILINE | re.DOTALL)
