"""`imagejob explain`."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Annotated

import typer

from imagejob.catalogue import Explanation, known_words
from imagejob.catalogue import explain as look_up
from imagejob.errors import Invalid
from imagejob_cli import terminal
from imagejob_cli.description import Rows, facts


def _complete(incomplete: str) -> list[str]:
    return [word for word in known_words() if word.startswith(incomplete)]


def explain(
    code: Annotated[
        list[str],
        typer.Argument(
            help="JOB_002, JOB_002/SourceNotFound, SourceNotFound, IMG_001 or another reason of an error.",
            metavar="CODE",
            autocompletion=_complete,
        ),
    ],
) -> int:
    """Explain a code or a reason: what it means, who can fix it, and how. It needs no cluster."""
    whole = " ".join(code)
    words = [whole] if look_up(whole) else code
    _show([entry for word in words for entry in _found(word)])
    return 0


def _found(word: str) -> Sequence[Explanation]:
    found = look_up(word)
    if not found:
        folded = {known.lower(): known for known in known_words()}
        near = [folded[match] for match in difflib.get_close_matches(word.lower(), folded, 3)]
        hint = (
            f"did you mean {' or '.join(near)}?"
            if near
            else "codes are JOB_001 to JOB_008 and IMG_001 to IMG_014"
        )
        raise Invalid(f"{word!r} is no known code or reason; {hint}")
    return found


def _show(entries: Sequence[Explanation]) -> None:
    for number, entry in enumerate(entries):
        rows: Rows = [["", terminal.styled(name, "dim"), text] for name, text in facts(entry)]
        blank = [terminal.styled("")] if number else []
        terminal.show(*blank, terminal.styled(entry.title, "bold"), terminal.columns(rows))
