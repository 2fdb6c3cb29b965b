"""`imagejob run`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def run(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A manifest with the ImageJob; - for standard input.")
    ],
    store: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder with the sources, into which outputs and the report are written."
        ),
    ],
    allow_network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR",
            help="Network from which sources may be downloaded, besides public addresses; can be repeated.",
        ),
    ] = None,
    gallery: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HTML file to write, which shows the result of the run."),
    ] = None,
) -> int:
    """Run an ImageJob on this machine, without a cluster.

    It needs the extra imagejob[local]. Exit code 1 if the run has failed or was cancelled.
    """
    from imagejob_local.command import run as run_here

    return run_here(file, store, allow_network or [], gallery)
