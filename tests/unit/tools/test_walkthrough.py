"""The commands of a page are read and run as a user types them, and what differs from the page is found."""

from __future__ import annotations

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from walkthrough.__main__ import PAGES, RECORDING, ROOT, TRANSCRIPT, picture, walk, wanted
from walkthrough.compare import differences
from walkthrough.page import Command, commands, plain
from walkthrough.recording import recording
from walkthrough.shell import Session, environment, run
from walkthrough.transcript import transcript, updated

PAGE = """\
# Page

```sh
cd sub            # stays
export NAME=x

cat > file <<'EOF'
# no comment
$ no prompt
EOF
```

```console
$ cat file
# no comment
$ no prompt
```

<!-- cluster -->
```console
$ echo \\
  two lines
two lines
```

<!-- not run: it never ends -->
```sh
sleep infinity
```

```yaml
not: a command
```
"""


def test_commands_are_read_from_the_page() -> None:
    page = PAGE.replace("$ no prompt\n", "")
    assert commands(page) == [
        Command("cd sub            # stays", None, False, 4),
        Command("export NAME=x", None, False, 5),
        Command("cat > file <<'EOF'\n# no comment\nEOF", None, False, 7),
        Command("cat file", "# no comment\n", False, 13),
        Command("echo \\\n  two lines", "two lines\n", True, 19),
    ]
    assert [command.text for command in wanted(page, cluster=False)] == [
        one.text for one in commands(page) if not one.cluster
    ]


def test_a_block_of_console_without_a_command_is_refused() -> None:
    with pytest.raises(ValueError, match="line 2: "):
        commands("```console\nls\n```\n")


def session(page: str, folder: Path) -> Session:
    return run(commands(page), folder, environment(folder, {}))


def console(*lines: str) -> str:
    return "\n".join(["```console", *lines, "```", ""])


def test_directories_variables_and_exit_codes_last(tmp_path: Path) -> None:
    page = console("$ mkdir a && cd a && X=5", "$ false", "$ echo $? $X", "1 5", "$ basename $PWD", "a")
    assert [one.code for one in session(page, tmp_path).ran] == [0, 1, 0, 0]


def test_a_page_that_prints_the_truth_passes(tmp_path: Path) -> None:
    page = console("$ echo took 1.2s in $HOME", "took 99s in /home/me", "$ false", "$ echo $?", "1")
    assert differences("x", session(page, tmp_path), {str(tmp_path): "/home/me"}) == []


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        pytest.param(("$ echo a", "b"), "-b\n+a", id="another-output"),
        pytest.param(("$ echo a",), "+a", id="an-output-that-the-page-does-not-print"),
        pytest.param(("$ true", "b"), "-b", id="an-output-that-does-not-come"),
        pytest.param(("$ echo why; false", "why"), "exit code 1\nwhy", id="a-failure"),
        pytest.param(("$ no-such-command",), "exit code 127", id="a-command-that-does-not-exist"),
        pytest.param(("$ exit 3",), "exit code 255", id="the-end-of-the-shell"),
        pytest.param(("$ false", "$ echo $?", "2"), "-2\n+1", id="another-exit-code"),
    ],
)
def test_a_planted_difference_is_found(tmp_path: Path, planted: tuple[str, ...], found: str) -> None:
    listed = differences("x", session(console(*planted), tmp_path), {})
    assert len(listed) == 1
    assert found in listed[0]


def test_only_what_is_stated_may_differ() -> None:
    one = "   0.0s  Staging\n   0.3s  Running  1/2 items\nbytes out    1 KiB (1024 bytes)\nbytes in 5\n"
    other = " 12.5s Staging\nbytes out 7 bytes\nbytes in 5\n"
    assert plain(one, {}) == plain(other, {})
    assert plain(one, {}) != plain(other.replace("in 5", "in 6"), {})


def test_a_user_has_an_empty_home_and_none_of_our_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("PYTHONPATH", "VIRTUAL_ENV", "KUBECONFIG", "IMAGEJOB_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, "/ours")
    monkeypatch.setenv("PIP_CERT", "/cert")
    made = environment(tmp_path, {})
    assert made["HOME"] == str(tmp_path)
    assert made["PIP_CERT"] == "/cert"
    assert "/ours" not in made.values()


def test_pages_are_read_from_a_clean_clone(tmp_path: Path) -> None:
    source, home = tmp_path / "source", tmp_path / "home"
    (source / "docs").mkdir(parents=True)
    for name in PAGES:
        (source / name).write_text(console("$ basename $PWD", "imagejob"))
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@x.example", "-C", str(source))
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "-m", "x")):
        subprocess.run([*git, *command], check=True)
    (source / "README.md").write_text(console("$ false"))
    home.mkdir()
    sessions = walk(source, home, cluster=False)
    assert [differences(name, sessions[name], {}) for name in PAGES] == [[], []]


def test_pages_and_transcript_have_what_was_printed(tmp_path: Path) -> None:
    page = console("$ echo $HOME", "old", "$ echo 2.0s", "1.0s") + "```sh\ntrue\n```\n"
    done, places = session(page, tmp_path), {str(tmp_path): "/home/me"}
    assert updated(page, done, places) == page.replace("old", "/home/me")
    facts = {"commit": "c", "date": "d", "machine": "m", "scope": ""}
    assert "$ echo $HOME\n/home/me\n$ echo 2.0s\n2.0s\n$ true\n" in transcript({"x": done}, places, **facts)


def test_a_recording_shows_every_line() -> None:
    made = recording(commands(console("$ print <a>", "   0.5s  <a>", "", "b")), "one & two")
    texts = list(ElementTree.fromstring(made).iter("{http://www.w3.org/2000/svg}text"))
    assert [text.text for text in texts] == ["$ print <a>", "   0.5s  <a>", "b"]
    assert [text.get("style") for text in texts] == [f"animation-delay: {n}s" for n in ("0.0", "1.7", "1.7")]


def test_the_recording_is_that_of_the_readme() -> None:
    assert RECORDING.read_text() == picture(), "run: make walkthrough WRITE=1"


def typed(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("$ ")]


@pytest.mark.parametrize("name", PAGES)
def test_the_transcript_has_the_commands_of_the_page(name: str) -> None:
    """`make walkthrough` has been run since the commands of a page were changed."""
    part = TRANSCRIPT.read_text().partition(f"## {name}\n")[2].partition("\n## ")[0]
    everything = commands((ROOT / name).read_text())
    without = [f"$ {line}" for one in everything if not one.cluster for line in one.text.splitlines()[:1]]
    complete = [f"$ {line}" for one in everything for line in one.text.splitlines()[:1]]
    assert typed(part) in (without, complete)
