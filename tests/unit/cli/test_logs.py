"""`imagejob logs` and `completion`."""

from __future__ import annotations

import json

import pytest

from fakes.transport import FakeTransport, job
from imagejob import Rejected
from imagejob_cli.commands.logs import readable
from imagejob_cli.kubectl_completion import complete
from unit.cli.conftest import Run

LINE = json.dumps(
    {
        "level": "WARNING",
        "logger": "imagejob_processor",
        "message": "item failed",
        "time": "2026-03-01T10:00:05.123456+00:00",
        "item": "a [1].png",
        "code": "IMG_001",
    }
)


@pytest.fixture
def pods(api: FakeTransport) -> FakeTransport:
    api.add(job("a", "Running"))
    made = [{"metadata": {"name": f"a-{n}", "creationTimestamp": f"2026-03-01T10:00:0{n}Z"}} for n in (1, 0)]
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": made}
    api.logs = {"a-0": [LINE, "plain [text]"], "a-1": ["{}"]}
    return api


def test_each_line_has_the_name_of_its_pod(pods: FakeTransport, run: Run) -> None:
    assert run("logs", "a").out.splitlines() == [
        "a-0  10:00:05 WARNING item failed  item=a [1].png  code=IMG_001",
        "a-0  plain [text]",
        "a-1  {}",
    ]
    assert f"a-0  {LINE}" in run("logs", "a", "--raw").out.splitlines()


def test_logs_of_several_pods_are_followed_together(pods: FakeTransport, run: Run) -> None:
    assert sorted(line[:3] for line in run("logs", "a", "-f").out.splitlines()) == ["a-0", "a-0", "a-1"]


def test_a_log_that_cannot_be_read_hides_no_other(
    pods: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = pods.lines

    def partly(path: str, *more: object) -> object:
        if "a-0" in path:
            raise Rejected(400, "the container is waiting to start")
        return lines(path, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(pods, "lines", partly)
    assert run("logs", "a").out.splitlines() == ["a-0  the container is waiting to start", "a-1  {}"]


def test_a_job_without_pods(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Succeeded"))
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": []}
    assert run("logs", "a") == (0, "", "ImageJob 'a' has no Pods now; see: imagejob status a\n")


@pytest.mark.parametrize("line", ["", "[1]", "null", '{"message": 1', '{"level": "INFO"}'])
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert readable(line).plain == line


# --- completion --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete -o"), ("zsh", "#compdef imagejob"), ("fish", "complete")]
)
def test_scripts_of_shells(run: Run, shell: str, word: str) -> None:
    done = run("completion", shell)
    assert done.code == 0
    assert word in done.out
    assert "_IMAGEJOB_COMPLETE" in done.out


def test_commands_options_and_codes_are_completed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file")
    monkeypatch.setenv("_IMAGEJOB_COMPLETE", "complete_bash")

    def completed(words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        done = run()
        assert (done.code, done.err) == (0, "")
        return done.out.split()

    assert completed("imagejob sus") == ["suspend"]
    assert completed("imagejob list --all") == ["--all-namespaces"]
    assert completed("imagejob explain JOB_008") == ["JOB_008"]
    # Without a cluster there are no names, and no error.
    assert completed("imagejob status a") == []


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["sus"], ["suspend\tSuspend a job.", ":4"]),
        (["list", "-o", "j"], ["json", ":4"]),
        (["explain", "JOB_008"], ["JOB_008", ":4"]),
        # The shell offers files.
        (["submit", ""], [":0"]),
        (["status", "--kubeconfig", "/no/such/file", "a"], [":0"]),
    ],
)
def test_kubectl_is_given_completions_as_cobra_prints_them(
    capsys: pytest.CaptureFixture[str], words: list[str], shown: list[str]
) -> None:
    assert complete(words) == 0
    assert capsys.readouterr().out.splitlines() == shown


def test_names_are_completed(api: FakeTransport) -> None:
    import typer

    from imagejob_cli.completing import complete_names

    api.add(job("spring"), job("summer"), job("winter"))

    class Asked:
        def __init__(self) -> None:
            self.params = {"namespace": "shop", "context": None}

    asked: typer.Context = Asked()  # type: ignore[assignment]
    assert complete_names(asked, "s") == ["spring", "summer"]
