"""The verdict on mutants: a survivor lowers the share of its part, unless it is listed as harmless."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mutants.__main__ import main
from mutants.harmless import HARMLESS, function_of, harmless
from mutants.verdict import PARTS, Tally, report

DECISION = [f"imagejob_operator.decision.decide.x_decide__mutmut_{n}" for n in range(20)]
CONTROLLER = [f"imagejob_operator.controller.cache.xǁCacheǁsee__mutmut_{n}" for n in range(10)]
CHANGE = "- if a < b:\n+ if a <= b:"


def test_killed_mutants_pass() -> None:
    tally = Tally.of([*DECISION, *CONTROLLER], {}, {})
    assert [tally.share(part) for part in PARTS] == [1, 1]


def test_survivors_are_printed_and_lower_the_share() -> None:
    tally = Tally.of([*DECISION, *CONTROLLER], {DECISION[0]: CHANGE, DECISION[1]: CHANGE}, {})
    assert tally.share("decision") == pytest.approx(0.9)
    assert tally.share("decision") < PARTS["decision"]
    assert f"{DECISION[0]}\n{CHANGE}" in report(tally, 1)
    assert "decision: 18 of 20 killed, 90.0% (at least 95%)" in report(tally, 1)


def test_only_the_listed_change_of_the_listed_function_is_harmless() -> None:
    listed = {(function_of(DECISION[0]), CHANGE): "both are equal here"}
    tally = Tally.of(DECISION, {DECISION[0]: CHANGE, DECISION[1]: "- x\n+ y"}, listed)
    assert tally.counts("decision") == (18, 19)
    other = Tally.of(CONTROLLER, {CONTROLLER[0]: CHANGE}, listed)
    assert other.counts("operations and controller") == (9, 10)


def test_a_part_without_mutants_does_not_pass() -> None:
    assert Tally.of(DECISION, {}, {}).share("operations and controller") == 0


def test_every_harmless_mutant_has_a_reason() -> None:
    assert all(harmless((Path(__file__).parents[3] / HARMLESS).read_text()).values())


REPOSITORY = {
    "operator/imagejob_operator/__init__.py": "",
    "operator/imagejob_operator/decision/__init__.py": "",
    "operator/imagejob_operator/decision/late.py": "def late(seconds):\n    return seconds > 9\n",
    "operator/imagejob_operator/controller/__init__.py": "",
    "operator/imagejob_operator/controller/pause.py": "def pause(failures):\n    return failures * 2\n",
    "tests/test_both.py": (
        "from imagejob_operator.controller.pause import pause\n"
        "from imagejob_operator.decision.late import late\n"
        "def test_pause():\n    assert [pause(0), pause(3)] == [0, 6]\n"
        "def test_late():\n    assert [late(seconds) for seconds in (LATE)] == [False, True]\n"
    ),
    "tests/mutants/harmless.toml": "",
    "pyproject.toml": (
        '[tool.mutmut]\nsource_paths = ["src"]\npytest_add_cli_args_test_selection = ["tests"]\n'
        "use_git_change_detection = false\n"
    ),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("tried", "code", "words"),
    [
        ((9, 10), 0, "decision: 2 of 2 killed, 100.0%"),
        ((3, 30), 1, "- return seconds > 9\n+ return seconds >= 9"),
    ],
    ids=["good tests", "planted survivors"],
)
def test_a_sample_ends_with_the_code_of_its_share(
    tried: tuple[int, int],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, text in REPOSITORY.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("LATE", ", ".join(map(str, tried))))
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["mutants", "--count=all"])
    assert main() == code
    assert words in capsys.readouterr().out
