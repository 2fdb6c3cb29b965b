"""`imagejob completion`."""

from __future__ import annotations

import enum
import os
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from imagejob_cli import terminal

VARIABLE = "_IMAGEJOB_COMPLETE"


def prepare() -> None:
    """Make Typer answer a shell that asks for completions; it does so by itself only with its own options."""
    if VARIABLE in os.environ:
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()


class Shell(enum.StrEnum):
    """Shells for which a script exists."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.", metavar="bash|zsh|fish")]) -> int:
    """Print a script that completes commands, options, names of ImageJobs and codes.

    bash: source <(imagejob completion bash)

    zsh: imagejob completion zsh > "${fpath[1]}/_imagejob"

    fish: imagejob completion fish > ~/.config/fish/completions/imagejob.fish
    """
    script = get_completion_script(prog_name="imagejob", complete_var=VARIABLE, shell=shell.value)
    terminal.write_block(script)
    return 0
