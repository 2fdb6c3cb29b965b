"""The commands of a Markdown page, with the output that it prints below each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

BLOCK = re.compile(
    r"^(?P<note><!-- (?:cluster|not run: .*) -->\n)?```(?P<kind>sh|console)\n(?P<body>.*?)^```$", re.M | re.S
)
HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)")
PROMPT = "$ "
CLUSTER = "<!-- cluster -->\n"
"""Stands before a block that needs a cluster. `<!-- not run: WHY -->` stands before one that is not run."""

SAME = {
    r"\b\d+(?:\.\d+)?s\b": "0s",
    r"\b\d\d:\d\d:\d\d\b": "00:00:00",
    r"/[0-9a-f]{8}/(\d+)-[0-9a-f]{16}\.json": r"/00000000/\1-0000000000000000.json",
    r"^(bytes out +).*$": r"\1…",
    r"^ *\d+(?:\.\d+)?s +Running +\d+/\d+ items.*\n": "",
    r"[ \t]+": " ",
}
"""What may differ: durations, times of day, ids of runs and reports, the bytes of outputs (which depend on
the versions of the libraries), lines about the progress of a run, and the number of blanks."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a page, and what the page prints below it.

    `output` is None if the page prints nothing about it: then only its exit code counts.
    """

    text: str
    output: str | None = None
    cluster: bool = False
    line: int = 0


def commands(page: str) -> list[Command]:
    """Return the commands of a page, in order."""
    found: list[Command] = []
    for block in BLOCK.finditer(page):
        note = block["note"] or ""
        if note and note != CLUSTER:
            continue
        read = _console if block["kind"] == "console" else _script
        line = page.count("\n", 0, block.start("body")) + 1
        found += read(block["body"], bool(note), line)
    return found


def _console(body: str, cluster: bool, line: int) -> Iterator[Command]:
    """A command after each prompt, and below it what it prints."""
    parts = re.split(rf"^{re.escape(PROMPT)}", body, flags=re.M)
    if parts[0]:
        raise ValueError(f"line {line}: a block of `console` begins with '$ ' and a command")
    for part in parts[1:]:
        lines = part.splitlines(keepends=True)
        size = next(_sizes(lines))
        yield Command("".join(lines[:size]).rstrip("\n"), "".join(lines[size:]), cluster, line)
        line += len(lines)


def _script(body: str, cluster: bool, line: int) -> Iterator[Command]:
    """The commands of a script, without comments and empty lines."""
    lines = body.splitlines(keepends=True)
    start = 0
    for end in _sizes(lines):
        text = "".join(lines[start:end]).strip()
        if text and not text.startswith("#"):
            yield Command(text, None, cluster, line + start)
        start = end


def _sizes(lines: list[str]) -> Iterator[int]:
    """Yield the line after each command, which a here-document or a backslash continues."""
    end = ""
    for number, text in enumerate(lines, start=1):
        if end:
            if text.strip() != end:
                continue
            end = ""
        elif here := HEREDOC.search(text):
            end = here[1]
            continue
        elif text.rstrip("\n").endswith("\\"):
            continue
        yield number


def same(wanted: str, printed: str, places: Mapping[str, str]) -> bool:
    """Return whether two outputs differ at most in what may differ."""
    return plain(wanted, places) == plain(printed, places)


def plain(output: str, places: Mapping[str, str]) -> str:
    """Return an output without what may differ; `places` has folders of this machine by those of pages."""
    for here, there in places.items():
        output = output.replace(here, there)
    for pattern, same in SAME.items():
        output = re.sub(pattern, same, output, flags=re.M)
    return output.strip()
