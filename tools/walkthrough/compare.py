"""Whether the commands of a page have done what the page prints."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from walkthrough.page import plain
from walkthrough.shell import Session

ASKED = "echo $?"
FAILED = "\nexit code "
"""In a difference: the command has failed."""


def differences(name: str, session: Session, places: Mapping[str, str]) -> list[str]:
    """Return each difference between a page and what its commands have done.

    A command may fail only if the page then prints its exit code by `echo $?`.
    """
    found = []
    for ran, after in zip(session.ran, [*session.ran[1:], None], strict=True):
        where = f"{name}:{ran.command.line}: {ran.command.text}"
        asked = after is not None and after.command.text == ASKED
        if ran.code and not asked:
            found.append(f"{where}{FAILED}{ran.code}\n{ran.output}")
        elif ran.command.output is not None:
            wanted, got = (plain(text, places).splitlines() for text in (ran.command.output, ran.output))
            lines = difflib.unified_diff(wanted, got, "on the page", "printed", lineterm="")
            if wanted != got:
                found.append("\n".join([where, *lines]))
    return found
