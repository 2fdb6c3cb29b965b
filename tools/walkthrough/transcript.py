"""The transcript of a walkthrough, and pages with the output that their commands have printed."""

from __future__ import annotations

from collections.abc import Mapping

from walkthrough.page import PROMPT, same
from walkthrough.shell import Session

HEAD = """\
<!-- Made by `make walkthrough`; do not edit. -->

# Walkthrough

`make walkthrough` runs the commands of [README](../../README.md) and [quickstart](../quickstart.md) as a new
user: in a clean clone, with an empty home folder, in one shell for each page. It reads them from the pages,
and fails if a command fails or prints something else than its page. These may differ: durations, times of
day, ids of runs and reports, the bytes of outputs, lines about the progress of a run, and the number of
blanks.

Measured at commit {commit} on {date} ({machine}). {scope}

| page | commands | seconds | CPU seconds |
|---|---|---|---|
"""


def transcript(sessions: Mapping[str, Session], places: Mapping[str, str], **facts: str) -> str:
    """Return the page with everything that was typed and printed."""
    rows = [
        f"| {name} | {len(session.ran)} | {session.seconds:.0f} | {session.cpu:.0f} |"
        for name, session in sessions.items()
    ]
    parts = [HEAD.format(**facts) + "\n".join(rows)]
    for name, session in sessions.items():
        lines = "".join(f"{PROMPT}{one.command.text}\n{_tidy(one.output)}" for one in session.ran)
        for here, there in places.items():
            lines = lines.replace(here, there)
        parts.append(f"## {name}\n\n```text\n{lines}```")
    return "\n\n".join(parts) + "\n"


def updated(page: str, session: Session, places: Mapping[str, str]) -> str:
    """Return a page with the output of each command as it was printed, if the page differs from it."""
    for one in session.ran:
        if one.command.output is None or same(one.command.output, one.output, places):
            continue
        printed = _tidy(one.output)
        for here, there in places.items():
            printed = printed.replace(here, there)
        old, new = (f"{PROMPT}{one.command.text}\n{text}" for text in (one.command.output, printed))
        page = page.replace(old, new, 1)
    return page


def _tidy(output: str) -> str:
    """Lines without blanks at their ends, the last one complete."""
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines())
