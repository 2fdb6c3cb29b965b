"""`imagejob watch`: lines in a pipe, a bar on a terminal, pace and time left."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from fakes.transport import Body, FakeTransport, condition, error, job
from imagejob import ImageJob
from imagejob_cli.watching import Bar, Failures, Pace, pace_text
from unit.cli.conftest import Run


def running(done: int, total: int = 4, failures: int = 0) -> Body:
    failed = [{"item": f"{n}.jpg", "code": "IMG_001", "message": "broken"} for n in range(failures)]
    items = {"total": total, "succeeded": done - failures, "failed": failures, "skipped": 0}
    return job("a", "Running", items=items, failures=failed)


def lines(out: str) -> list[str]:
    """The lines of changes, without their times."""
    return [line.split("s  ", 1)[1] for line in out.splitlines() if re.match(r" *\d+\.\ds  ", line)]


def test_each_change_and_each_failed_item_is_one_line(api: FakeTransport, run: Run) -> None:
    waiting = condition("Ready", "False", reason="Unschedulable", message="0/3 nodes")
    api.add(job("a", "Launching", conditions=[waiting]))
    end = job("a", "Succeeded", items={"total": 4, "succeeded": 3, "failed": 1, "skipped": 0})
    api.events = [running(1), running(1), running(3, failures=1), running(3, failures=1), end]
    done = run("watch", "a")
    assert done.code == 0
    shown = [re.sub(r"  [\d.]+ items/s.*", "", line) for line in lines(done.out)]
    assert shown == [
        "Launching  0/3 nodes",
        "Running  1/4 items",
        "IMG_001  0.jpg: broken",
        "Running  3/4 items",
        "Succeeded  4/4 items",
    ]
    assert done.out.splitlines()[-1] == "shop/a  Succeeded  run 1, 4 items: 3 succeeded, 1 failed"


def test_a_failure_ends_with_its_remedy_and_exit_1(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Failed", error=error("JOB_003", "QuotaExceeded", "pods: 10 of 10", retriable=True)))
    done = run("watch", "a")
    assert done.code == 1
    assert "JOB_003 QuotaExceeded\n  evidence  pods: 10 of 10\n" in done.out
    assert re.search(r"NEXT\n  imagejob retry a +# start a new run\n  kubectl edit imagejob a", done.out)


def test_a_timeout_is_exit_3(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Running"))
    done = run("watch", "a", "--timeout", "0.01")
    assert done.code == 3
    assert done.err == (
        "imagejob: ImageJob 'a' has not finished within 0.01 s; the run goes on: imagejob watch a\n"
    )


def test_a_job_that_no_operator_serves_is_named(api: FakeTransport, run: Run) -> None:
    api.add(job("a"))
    assert "Pending  no operator has handled it for 30 s" in run("watch", "a", "--timeout", "0.01").out


# --- pace --------------------------------------------------------------------------------------------------


def paced(*noted: tuple[float, int]) -> Pace:
    at = 0.0
    pace = Pace(lambda: at)
    for at, done in noted:  # noqa: B007  (the clock reads it)
        pace.note(done)
    return pace


@pytest.mark.parametrize(
    ("noted", "per_second", "left"),
    [
        ([], 0, None),
        ([(0, 5)], 0, None),
        ([(0, 0), (10, 20)], 2, 50),
        # Only the last minute counts.
        ([(0, 0), (100, 1000), (170, 1070), (180, 1080)], 1, 100),
        # A run that began again.
        ([(0, 90), (10, 100), (20, 0), (30, 20)], 2, 50),
        ([(0, 7), (10, 7)], 0, None),
    ],
)
def test_the_pace_of_the_last_minute(
    noted: list[tuple[float, int]], per_second: float, left: float | None
) -> None:
    pace = paced(*noted)
    assert pace.per_second == pytest.approx(per_second)
    assert pace.left(100) == (None if left is None else pytest.approx(left))


@pytest.mark.parametrize(
    ("done", "shown"), [(10, "1.0 items/s, about 90s left"), (99, "9.9 items/s"), (100, "10.0 items/s")]
)
def test_no_time_is_left_of_the_last_second(done: int, shown: str) -> None:
    assert pace_text(paced((0, 0), (10, done)), ImageJob(running(done, total=100))) == shown


def test_failed_items_are_shown_once_in_each_run() -> None:
    shown = Failures()
    first = ImageJob(running(1, failures=1))
    assert shown.new(first) == ["IMG_001  0.jpg: broken"]
    assert shown.new(first) == []
    again: dict[str, Any] = {**running(1, failures=1)}
    again["status"]["run"] = {"id": "2"}
    assert shown.new(ImageJob(again)) == ["IMG_001  0.jpg: broken"]


# --- the bar -----------------------------------------------------------------------------------------------


def test_the_bar_shows_phase_items_and_failures() -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    screen = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    parts = (
        TextColumn("{task.fields[phase]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
    )
    with Progress(*parts, console=screen, auto_refresh=False) as progress:
        bar = Bar(progress)
        bar.change(ImageJob(job("a")))
        long = [condition("Ready", "False", message="x" * 120), condition("Reconciling", message="x" * 900)]
        bar.change(ImageJob(job("a", "Launching", conditions=long)))
        progress.refresh()
        bar.change(ImageJob(running(3, failures=1)))
        progress.refresh()
    assert isinstance(screen.file, io.StringIO)
    text = screen.file.getvalue()
    assert "IMG_001  0.jpg: broken" in text
    assert re.search(r"Running .*3/4", text)
    assert f"{'x' * 39}…" in text
    assert "x" * 40 not in text
    assert "Launching" in text
