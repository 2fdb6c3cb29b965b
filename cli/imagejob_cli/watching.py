"""A run as it goes on: a bar on a terminal, one line for each change elsewhere."""

from __future__ import annotations

import enum
import sys
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import TYPE_CHECKING, Protocol

import typer

from imagejob.job import ImageJob
from imagejob.printable import visible
from imagejob_cli.deletion import undeleted
from imagejob_cli.description import summary
from imagejob_cli.exits import INTERRUPTED, of_job
from imagejob_cli.session import Session, now
from imagejob_cli.terminal import STYLES, console, counted, cut, short, styled, warn, write

if TYPE_CHECKING:
    from rich.progress import Progress

WINDOW = 60.0
"""Seconds over which items a second are counted."""


class Follow(enum.Enum):
    """How a run is shown while it goes on."""

    LIVE = "live"
    QUIET = "quiet"


class Pace:
    """Items a second in the last minute, and the time left at that pace."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, done: int) -> None:
        """Record how many items are done now; less than before means that the run began again."""
        at = self._clock()
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at, done))
        while len(self._seen) > 2 and at - self._seen[1][0] > WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Items a second; 0 if not known yet."""
        if len(self._seen) < 2:
            return 0.0
        (begun, before), (at, done) = self._seen[0], self._seen[-1]
        return (done - before) / (at - begun) if at > begun else 0.0

    def left(self, remaining: int) -> float | None:
        """Seconds for the remaining items; None if not known."""
        return remaining / self.per_second if self.per_second else None


class View(Protocol):
    """What shows a run."""

    def change(self, job: ImageJob) -> None:
        """Show a newer version of the job."""


class Lines:
    """One line for each change, and one for each failed item."""

    def __init__(self) -> None:
        self._started, self._last, self._pace = monotonic(), "", Pace()
        self._shown = Failures()

    def change(self, job: ImageJob) -> None:
        """Print what has changed."""
        elapsed = f"{monotonic() - self._started:6.1f}s  "
        self._pace.note(job.items.finished)
        for failure in self._shown.new(job):
            write(elapsed + failure)
        line = line_of(job)
        if line != self._last:
            write(elapsed + "  ".join(filter(None, [line, pace_text(self._pace, job)])))
            self._last = line


class Bar:
    """A bar with the phase, the items a second and the time left; failed items scroll above it."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._pace, self._shown = progress, Pace(), Failures()
        self._task = progress.add_task("", total=None, phase="Pending", detail="")

    def change(self, job: ImageJob) -> None:
        """Move the bar."""
        self._pace.note(job.items.finished)
        for failure in self._shown.new(job):
            self._progress.console.print(styled(failure, "red"))
        detail = (
            pace_text(self._pace, job) if job.items.total and job.phase == "Running" else waiting_for(job)
        )
        phase = styled(f"{job.phase:<10}", STYLES.get(job.phase, "cyan"))
        total = job.items.total or None
        done = job.items.finished if total else 0
        # The bar needs the rest of the line.
        detail = cut(visible(detail), self._progress.console.width // 2)
        self._progress.update(self._task, completed=done, total=total, phase=phase.markup, detail=detail)


class Failures:
    """Failed items, each once."""

    def __init__(self) -> None:
        self._seen: set[tuple[str, str, str]] = set()

    def new(self, job: ImageJob) -> list[str]:
        """The failed items that were not shown yet, as lines."""
        found = []
        for failed in job.failures:
            key = (job.run.uid or job.run.id, failed.item, failed.code)
            if key not in self._seen:
                self._seen.add(key)
                found.append(f"{failed.code}  {failed.item}: {failed.message}")
        return found


def line_of(job: ImageJob) -> str:
    """Phase, items, and the error or what the job waits for, in one line."""
    items, words = job.items, [job.phase]
    if items.total:
        words.append(f"{items.finished}/{counted(items.total, 'item')}")
    error = None if job.deleted_at else job.error
    if error:
        words.append(f"{error.code} {error.reason}: {error.message}")
    elif waiting := waiting_for(job):
        words.append(waiting)
    return "  ".join(words)


def waiting_for(job: ImageJob) -> str:
    """What a job or its deletion waits for; empty if it makes progress."""
    if deleted := undeleted(job):
        return "; ".join(filter(None, [deleted, job.unserved(now())]))
    return job.unserved(now()) or ("" if job.error else job.waits_for)


def pace_text(pace: Pace, job: ImageJob) -> str:
    """Items a second and the time left; empty before the pace is known."""
    left = pace.left(job.items.total - job.items.finished)
    if job.phase != "Running" or left is None:
        return ""
    left_text = f", about {short(timedelta(seconds=left))} left" if left >= 1 else ""
    return f"{pace.per_second:.1f} items/s{left_text}"


def follow(session: Session, name: str, timeout: float, how: Follow) -> int:
    """Show a run until it has finished, then how it ended; returns the exit code."""
    try:
        job = _followed(session, name, timeout, how)
    except KeyboardInterrupt:
        warn(f"interrupted; the run goes on: {session.command('watch', name)}")
        raise typer.Exit(INTERRUPTED) from None
    summary(session, job)
    return of_job(job)


def _followed(session: Session, name: str, timeout: float, how: Follow) -> ImageJob:
    """The job at its end."""
    if how is Follow.QUIET:
        return session.client.wait(name, timeout=timeout)
    if sys.stdout.isatty():
        return _live(session, name, timeout)
    return _through(session, name, timeout, Lines())


def _through(session: Session, name: str, timeout: float, view: View) -> ImageJob:
    job: ImageJob | None = None
    for job in session.client.watch(name, timeout=timeout):
        view.change(job)
    assert job is not None  # noqa: S101  (a watch yields at least the job as it is)
    return job


def _live(session: Session, name: str, timeout: float) -> ImageJob:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    parts = (
        TextColumn("{task.fields[phase]}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
    )
    with Progress(*parts, console=console(), expand=True, transient=True) as progress:
        return _through(session, name, timeout, Bar(progress))
