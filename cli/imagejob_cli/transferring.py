"""Transfers as they go on: a bar on a terminal, and one line for each object."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Protocol

from imagejob.bucket import Advance
from imagejob.transfers import FAILED, UP_TO_DATE, Report, Transferred
from imagejob_cli import terminal
from imagejob_cli.exits import FAILED as EXIT_FAILED


class Transfer(Protocol):
    """Transfers objects; reports each one, and the bytes."""

    def __call__(self, report: Report, advance: Advance) -> object:
        """Run to the end."""


def transfer(verb: str, count: int, size: int, run: Transfer) -> int:
    """Run transfers and show them; returns the exit code, which is 1 if one has failed."""
    ended: Counter[str] = Counter()
    lock = threading.Lock()

    def line(done: Transferred, write: Callable[[str], object]) -> None:
        with lock:
            ended[done.state] += 1
            if done.state == FAILED:
                terminal.warn(done.message)
            elif done.state != UP_TO_DATE:
                write(f"{done.key}  {terminal.size(done.size)}")

    if sys.stdout.isatty():
        _with_bar(verb, size, run, line)
    else:
        run(lambda done: line(done, terminal.write), lambda count: None)
    failed = f", {ended[FAILED]} failed" if ended[FAILED] else ""
    same = f", {ended[UP_TO_DATE]} up to date" if ended[UP_TO_DATE] else ""
    done = count - ended[FAILED] - ended[UP_TO_DATE]
    terminal.write(f"{verb} {terminal.counted(done, 'object')}{same}{failed}")
    return EXIT_FAILED if ended[FAILED] else 0


def _with_bar(
    verb: str, size: int, run: Transfer, line: Callable[[Transferred, Callable[[str], object]], None]
) -> None:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    parts = (TextColumn(verb), BarColumn(bar_width=None), DownloadColumn(), TransferSpeedColumn())
    with Progress(*parts, console=terminal.console(), expand=True, transient=True) as progress:
        task = progress.add_task("", total=size)

        def report(done: Transferred) -> None:
            line(done, lambda text: progress.console.print(terminal.styled(text), soft_wrap=True))
            if done.state in (UP_TO_DATE, FAILED):
                progress.advance(task, done.size)

        run(report, lambda count: progress.advance(task, count))
