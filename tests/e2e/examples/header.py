"""The header of an example: parsed, and compared with the outcome.

The format is described in examples/README.md.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagejob_operator.api.errors import CATALOGUE
from imagejob_operator.api.phase import TERMINAL, Phase

UNSEEN = "Unseen"
"""Stands for the phase of a job that no operator handles."""

SETTLED = frozenset({*TERMINAL, Phase.SUSPENDED, UNSEEN})
"""What a step may end in: nothing goes on by itself then."""

DIRECTIVE = re.compile(r"# (Needs|Ends|Gives|Then):(.*)")
CONTINUED = re.compile(r"# {3,}(\S.*)")


class BadHeader(ValueError):
    """A header that cannot be read; the message says what is wrong and how to write it."""


@dataclass(frozen=True)
class End:
    """The end of one job: phase, code and reason."""

    phase: str
    code: str = ""
    reason: str = ""

    def __str__(self) -> str:
        why = f"{self.code}/{self.reason}" if self.code else self.reason
        return f"{self.phase} {why}".strip()


@dataclass(frozen=True)
class Step:
    """One action of a user, and its outcome."""

    does: tuple[str, ...]
    """The words after `kubectl`; none for the first step, which applies the file."""
    ends: Mapping[str, End]
    """By the job's name; the empty name is the file's only job."""
    gives: frozenset[str]
    """Keys of the outputs that were not there before."""


@dataclass(frozen=True)
class Header:
    """The header of an example."""

    needs: Mapping[str, str | None]
    """Keys of sources: their text, or None for a photo of the format that the key's ending names."""
    steps: tuple[Step, ...]


def read_header(text: str) -> Header:
    """Read the comment lines before the first document.

    Raises:
        BadHeader: if one is not as it should be, or none says how the example ends.
    """
    needs: dict[str, str | None] = {}
    steps: list[Step] = [Step((), {}, frozenset())]
    for kind, value in _directives(text):
        if kind == "Needs":
            key, given, line = value.partition(" = ")
            before = needs.get(key.strip()) or ""
            needs[key.strip()] = f"{before}{line}\n" if given else None
        elif kind == "Then":
            words = shlex.split(value)
            if words[:1] != ["kubectl"]:
                raise BadHeader(f"Then: {value!r} is no kubectl command: write what a user types")
            steps.append(Step(tuple(words[1:]), {}, frozenset()))
        elif kind == "Ends":
            name, end = _end(value)
            steps[-1] = Step(steps[-1].does, {**steps[-1].ends, name: end}, steps[-1].gives)
        else:
            keys = frozenset(shlex.split(value))
            steps[-1] = Step(steps[-1].does, steps[-1].ends, steps[-1].gives | keys)
    for number, step in enumerate(steps, 1):
        if not step.ends:
            raise BadHeader(
                f"step {number} has no line '# Ends: PHASE [CODE/Reason]': see examples/README.md"
            )
    return Header(needs, tuple(steps))


def _directives(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    open_ = False
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if begun := DIRECTIVE.fullmatch(line):
            found.append((begun[1], begun[2].strip()))
        elif open_ and (more := CONTINUED.fullmatch(line)):
            found[-1] = (found[-1][0], f"{found[-1][1]} {more[1]}")
        open_ = bool(begun) or (open_ and bool(CONTINUED.fullmatch(line)))
    return found


def _end(value: str) -> tuple[str, End]:
    words = value.split()
    name = words.pop(0) if words and words[0] not in {*Phase, UNSEEN} else ""
    if not words or words[0] not in SETTLED or len(words) > 2:
        allowed = ", ".join(sorted(SETTLED))
        raise BadHeader(f"Ends: {value!r} is not [NAME] PHASE [CODE/Reason], with PHASE one of {allowed}")
    code, slash, reason = words[1].partition("/") if words[1:] else ("", "", "")
    if slash and (code, reason) not in CATALOGUE:
        raise BadHeader(f"Ends: {code}/{reason} is not in the catalogue")
    return name, End(words[0], code if slash else "", reason if slash else code)


def objections(
    step: Step, ended: Mapping[str, End], appeared: Sequence[str], gone: Sequence[str]
) -> list[str]:
    """The differences between a step and its header; empty if there are none.

    Args:
        step: what was promised.
        ended: how each job of the file has ended, by its name.
        appeared: keys of the namespace that were not there before the step.
        gone: keys that were there before, and are not any more.
    """
    wanted = dict(step.ends)
    if "" in wanted and len(ended) == 1:
        wanted[next(iter(ended))] = wanted.pop("")
    found = [f"the file has no job {name!r}, say whose end it is" for name in wanted.keys() - ended.keys()]
    found += [
        f"no line says how {name} ends; it ended as {ended[name]}" for name in ended.keys() - wanted.keys()
    ]
    for name in sorted(wanted.keys() & ended.keys()):
        if not _as_promised(wanted[name], ended[name]):
            found.append(f"{name} ended as {ended[name]}, not as {wanted[name]}")
    found += [f"{key} was not made" for key in sorted(step.gives - {*appeared})]
    found += [f"{key} was made, and no line names it" for key in sorted({*appeared} - step.gives)]
    return found + [f"{key} is gone" for key in gone]


def _as_promised(wanted: End, found: End) -> bool:
    """A success without a reason is a plain one: its reason is its phase."""
    plain = End(found.phase) if found.reason == found.phase else found
    return wanted in (found, plain)
