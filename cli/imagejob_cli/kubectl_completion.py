"""`kubectl_complete-imagejob`, which kubectl runs to complete the arguments of `kubectl imagejob`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from typer._completion_classes import BashComplete
from typer.main import get_command

from imagejob.printable import visible
from imagejob_cli import terminal
from imagejob_cli.commands.completion import VARIABLE
from imagejob_cli.main import app

FILES, NO_FILES = 0, 4
"""Directives of the Go library cobra, by which the shell also offers files, or nothing else."""


def complete(arguments: Sequence[str] | None = None) -> int:
    """Print one completion a line, and last the directive; the last argument is the word to complete."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    *before, incomplete = given or [""]
    # The class of any shell finds completions; only how it prints them differs.
    asked = BashComplete(get_command(app), {}, "kubectl imagejob", VARIABLE)
    found = [item for item in asked.get_completions(before, incomplete) if item.type == "plain"]
    for item in found:
        terminal.write_block("\t".join(visible(text) for text in (item.value, item.help) if text))
    terminal.write_block(f":{NO_FILES if found else FILES}")
    return 0
