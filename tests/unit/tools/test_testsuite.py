"""The test suite's own judgement: what counts as passed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster.paths import repository
from testsuite.__main__ import Outcome, main, missing_rights, read_counts, run_group, run_step, table
from testsuite.background import AUTOGROUP, NICE
from testsuite.steps import STEPS, Step, choose

TESTS = Step("tests", "check", (sys.executable, "-m", "pytest", "-q"))


@pytest.mark.parametrize(
    ("outcome", "failure"),
    [
        pytest.param(Outcome(TESTS, 1.0, 0, tests=3), "", id="passed"),
        pytest.param(Outcome(TESTS, 1.0, 1, tests=3), "exit code 1", id="failed"),
        pytest.param(Outcome(TESTS, 1.0, 0, tests=3, skipped=1), "1 skipped", id="one skipped"),
        pytest.param(Outcome(TESTS, 1.0, 0), "no test was run", id="none ran"),
    ],
)
def test_what_counts_as_passed(outcome: Outcome, failure: str) -> None:
    assert outcome.failure.startswith(failure)
    assert bool(outcome.failure) == bool(failure)


def test_skipped_and_xfailed_tests_are_counted(tmp_path: Path) -> None:
    planted = tmp_path / "test_planted.py"
    planted.write_text(
        "import pytest\n"
        "def test_passes(): pass\n"
        "@pytest.mark.skip\ndef test_skipped(): pass\n"
        "@pytest.mark.xfail\ndef test_xfailed(): assert False\n"
    )
    step = Step("planted", "check", (sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", str(planted)))
    outcome = run_step(step, {"PATH": "/usr/bin:/bin"})
    assert (outcome.tests, outcome.skipped) == (3, 2)
    assert outcome.failure


def test_a_step_that_never_ends_is_ended_and_shows_where_it_was(tmp_path: Path) -> None:
    script = (
        "import threading\n"
        "def waits_for_ever(): threading.Event().wait()\n"
        "threading.Thread(target=waits_for_ever).start()\n"
    )
    step = Step("endless", "check", (sys.executable, "-c", script), limit=1.0)
    with (tmp_path / "output").open("w+b") as output:
        outcome = run_step(step, {}, output)
        output.seek(0)
        assert b"in waits_for_ever" in output.read()
    assert outcome.failure == "ended after its limit of 1 s"


def test_a_group_runs_side_by_side_and_each_output_stays_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each waits for the other to have begun: one after the other they would never end."""
    script = (
        "import pathlib, sys, time\n"
        "mine, other = (pathlib.Path(a) for a in sys.argv[1:])\n"
        "print(mine.name, 'begins'); mine.touch()\n"
        "while not other.exists(): time.sleep(0.01)\n"
        "print(mine.name, 'ends'); sys.exit(mine.name == 'b')\n"
    )
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    steps = [
        Step(name, "check", (sys.executable, "-c", script, mine, other))
        for name, mine, other in (("first", a, b), ("second", b, a))
    ]
    outcomes = run_group(steps, {})
    assert [(o.step.name, o.exit_code) for o in outcomes] == [("first", 0), ("second", 1)]
    printed = capsys.readouterr().out
    assert "a begins\na ends\n" in printed
    assert "b begins\nb ends\n" in printed


def test_the_steps_of_a_lane_run_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"

    def step(name: str, lane: str) -> Step:
        script = f"open({str(log)!r}, 'a').write({name!r})"
        return Step(name, "check", (sys.executable, "-c", script), lane=lane)

    outcomes = run_group([step("a", "one"), step("b", "one"), step("x", "two")], {})
    assert [o.step.name for o in outcomes] == ["a", "b", "x"]
    assert log.read_text().replace("x", "") == "ab"


def test_nothing_runs_in_a_lane_after_a_required_step_failed() -> None:
    up = Step("up", "e2e", ("false",), lane="one", required=True)
    tests = Step("tests", "e2e", ("true",), lane="one")
    other = Step("other", "e2e", ("true",), lane="two")
    assert [o.step.name for o in run_group([up, tests, other], {})] == ["up", "other"]


def test_each_cluster_is_used_by_one_lane() -> None:
    lanes = {(step.cluster, step.lane) for step in STEPS if step.group == "clusters" and step.needs_cluster}
    assert len(lanes) == len({cluster for cluster, _ in lanes}) == 2


def test_a_command_in_the_background_has_a_session_with_less_cpu_time() -> None:
    shown = "import os, pathlib; print(os.getsid(0) == os.getpid(), os.nice(0)); "
    shown += f"place = pathlib.Path({str(AUTOGROUP)!r}); print(place.read_text() if place.exists() else '')"
    command = [sys.executable, "-m", "testsuite.background", sys.executable, "-c", shown]
    environment = {**os.environ, "PYTHONPATH": str(repository() / "tools")}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    mine, session = found.splitlines()[:2]
    assert mine == f"True {os.nice(0) + NICE}"
    assert session.endswith(f"nice {NICE}") or not os.access(AUTOGROUP, os.W_OK)


SUITE = """
import signal, sys
import testsuite.__main__ as suite
from testsuite.steps import Step

begun, following = sys.argv[1:]
waits = "import pathlib, signal, sys; pathlib.Path(sys.argv[1]).write_text('begun'); signal.pause()"
behind = (sys.executable, "-m", "testsuite.background", sys.executable, "-c", waits, begun)
steps = (Step("first", "check", behind, lane="one"), Step("next", "check", ("touch", following), lane="one"))
suite.choose = lambda tier: steps
signal.signal(signal.SIGINT, suite.interrupt)
del sys.argv[1:]
sys.exit(suite.main())
"""


def test_an_interrupted_suite_ends_its_background_step_and_begins_no_other(tmp_path: Path) -> None:
    """Ctrl-C in a terminal signals the session of the suite only."""
    begun, following = tmp_path / "begun", tmp_path / "following"
    os.mkfifo(begun)
    environment = {**os.environ, "PYTHONPATH": str(repository() / "tools")}
    suite = subprocess.Popen([sys.executable, "-c", SUITE, begun, following], env=environment)
    assert begun.read_text() == "begun"
    suite.send_signal(signal.SIGINT)
    assert suite.wait(30) == 128 + signal.SIGINT
    assert not following.exists()


def test_no_file_counts_nothing(tmp_path: Path) -> None:
    assert read_counts(tmp_path / "none.xml") == (0, 0)


def test_the_table_names_what_was_left_out() -> None:
    text = table([Outcome(TESTS, 1.5, 0, tests=3)], 1.5, [STEPS[-1]], "needs root")
    assert "skipped: hostile (needs root)" in text


def test_steps_left_out_fail_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testsuite.__main__.missing_rights", lambda: "needs root")
    monkeypatch.setattr(
        "testsuite.__main__.choose", lambda tier: (Step("e2e", "e2e", ("true",), needs_cluster=True),)
    )
    monkeypatch.setattr("sys.argv", ["testsuite"])
    monkeypatch.setenv("CI", "true")
    assert main() == 1
    monkeypatch.setenv("CI", "")
    assert main() == 0


def test_rights_are_asked_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert missing_rights()


def test_tiers_cover_all_steps() -> None:
    assert {step.name for tier in ("check", "test", "e2e") for step in choose(tier)} == {
        step.name for step in STEPS
    }
