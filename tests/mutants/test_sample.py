"""A sample of mutants of a small repository, made and tested as `make mutants` does it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mutants.__main__ import main

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
