"""Errors and exit codes of all commands, help, and the name of the program."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest

from fakes.transport import FakeTransport, error, job
from imagejob import Invalid, build, errors, rendition, to_yaml
from imagejob_cli import exits
from imagejob_cli.main import EPILOG, main
from imagejob_local.folder import FolderUnusable
from imagejob_local.manifest import InvalidManifest
from unit.cli.conftest import Run

USERS = Path(__file__).parents[3] / "docs" / "users"
PAGE, ONE_MACHINE = USERS / "command-line.md", USERS / "one-machine.md"
ON_A_JOB = ["status", "watch", "results", "logs", "retry", "cancel", "suspend", "resume"]
COMMANDS = [
    *("submit", "upload", "download", "run", "list", *ON_A_JOB),
    *("validate", "explain", "doctor", "uninstall", "completion"),
]
"""In the order of the help."""


@pytest.mark.parametrize("command", ON_A_JOB)
def test_no_such_job_is_job_004_and_exit_4(api: FakeTransport, run: Run, command: str) -> None:
    done = run(command, "a")
    assert (done.code, done.out) == (4, "")
    assert done.err == (
        "imagejob: JOB_004 JobNotFound: ImageJob 'a' in namespace 'shop' does not exist; list the existing "
        "ones with: imagejob list\n"
    )


@pytest.mark.parametrize("command", [[name, "a"] for name in ON_A_JOB] + [["list"], ["doctor"]])
def test_no_kubeconfig_is_no_traceback(run: Run, tmp_path: Path, command: list[str]) -> None:
    done = run(*command, "--kubeconfig", str(tmp_path / "none"))
    assert done.code == 3
    assert f"no kubeconfig at {tmp_path}/none; set KUBECONFIG or --kubeconfig" in done.err + done.out


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (errors.NotFound("x"), 4),
        (errors.Unreachable("x"), 3),
        (errors.StoreFailed("x"), 3),
        (errors.NotInstalled("x"), 3),
        (errors.Forbidden("x"), 3),
        (errors.Rejected(500, "x"), 3),
        (errors.WaitTimeout("x"), 3),
        (errors.Invalid("x"), 2),
        (errors.Conflict("x"), 2),
        (errors.RunFailed("x"), 1),
        (errors.FileFailed("x"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_exit_code(
    api: FakeTransport, run: Run, raised: errors.ImageJobError, code: int
) -> None:
    api.answers["/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs/a"] = raised
    assert run("status", "a") == (code, "", "imagejob: x\n")


def test_every_error_of_the_client_was_tried() -> None:
    named = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, Exception) and kind.__module__ == errors.__name__
    }
    assert {kind.__name__ for kind in named} == {
        *("ImageJobError", "NotFound", "Unreachable", "NotInstalled", "Forbidden", "Rejected", "WaitTimeout"),
        *("Invalid", "Conflict", "RunFailed", "StoreFailed", "FileFailed"),
    }


@pytest.mark.parametrize(
    ("phase", "code"),
    [("", 0), ("Running", 0), ("Suspended", 0), ("Succeeded", 0), ("Failed", 1), ("Cancelled", 1)],
)
def test_the_exit_code_of_status_is_that_of_the_run(
    api: FakeTransport, run: Run, phase: str, code: int
) -> None:
    api.add(job("a", phase))
    assert run("status", "a").code == code
    assert run("status", "a", "-o", "name").code == code


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["lst"], "imagejob: No such command 'lst'. Did you mean 'list'?\nsee: imagejob --help\n"),
        (["status"], "imagejob: Missing argument 'NAME'.\nsee: imagejob status --help\n"),
        (
            ["list", "-o", "toml"],
            "'toml' is not one of 'table', 'json', 'yaml', 'name'.\nsee: imagejob list --help\n",
        ),
        (
            ["watch", "a", "--timeout", "soon"],
            "Invalid value for '--timeout': it must be a number",
        ),
        (["list", "--phase", "Foo"], "Invalid value for '--phase': 'Foo' is not one of 'Pending', "),
        (["list", "-o", "x"], "Invalid value for '-o' / '--output': 'x' is not one of 'table', "),
        (["logs", "a", "--tail", "-1"], "Invalid value for '--tail': it must be at least 0"),
        (["results", "a", "--expires", "200"], "Invalid value for '--expires': it must be at most 168"),
        (["submit", "--name", "a", "--keys", "k", "--format", "JPG"], "did you mean JPEG?"),
        (["explain", "JOB_2"], "'JOB_2' is no known code or reason; did you mean JOB_002"),
        (["explain", "xyzzy"], "codes are JOB_001 to JOB_008 and IMG_001 to IMG_014"),
    ],
)
def test_invalid_usage_is_exit_2_and_one_hint(run: Run, words: list[str], shown: str) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert shown in done.err


def test_help_lists_the_commands_and_the_exit_codes(run: Run) -> None:
    done = run("--help")
    assert done.code == 0
    assert re.findall(r"^  ([a-z]+)  ", done.out, re.MULTILINE) == COMMANDS
    assert "4 no such" in done.out
    assert run().out.strip() == done.out.strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_a_section_in_the_docs(run: Run, command: str) -> None:
    assert f"Usage: imagejob {command}" in run(command, "--help").out
    assert f"imagejob {command}" in PAGE.read_text()


def test_the_exit_codes_are_documented() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
    assert {int(code) for code in rows} == {
        *(0, exits.FAILED, exits.USAGE, exits.CLUSTER, exits.NOT_FOUND, exits.BUG, exits.INTERRUPTED)
    }
    assert all(f"{code} " in EPILOG for code in range(5))


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (True, 0),
        (False, 1),
        (Invalid("no"), 2),
        (InvalidManifest("no"), 2),
        (FolderUnusable("no"), 2),
        (LookupError("a bug"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_the_exit_codes_of_a_run_on_one_machine_are_documented(
    run: Run, monkeypatch: pytest.MonkeyPatch, end: bool | BaseException, code: int
) -> None:
    def execute(*_: object) -> bool:
        if isinstance(end, BaseException):
            raise end
        return end

    monkeypatch.setattr("imagejob_local.session.execute", execute)
    assert run("run", "job.yaml", "--store", "pictures").code == code
    rows = re.findall(r"^\| (\d+) \| ", ONE_MACHINE.read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == [0, 1, 2, 70, 130]


def test_as_a_plug_in_it_names_itself_so(
    api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/usr/bin/kubectl-imagejob"])
    assert "Usage: kubectl imagejob list" in run("list", "--help").out
    api.add(job("a", "Failed", error=error("JOB_003", "QuotaExceeded", "x", retriable=True)))
    assert "kubectl imagejob retry a -n shop" in run("status", "a", "-n", "shop").out


@pytest.mark.parametrize(
    ("words", "suggested"),
    [
        (["status", "b"], "imagejob list"),
        (["retry", "a"], "imagejob cancel a"),
        (["results", "a"], "imagejob watch a"),
        (["watch", "a", "--timeout", "0.01"], "imagejob watch a"),
        (["submit", "--name", "a", "--keys", "k", "--width", "9", "--format", "WebP"], "imagejob retry a"),
        (["upload", __file__, "--store", "x"], "kubectl get imagestores"),
        (["logs", "a"], "imagejob status a"),
    ],
)
def test_a_suggested_command_has_the_options_of_this_one(
    api: FakeTransport, run: Run, words: list[str], suggested: str
) -> None:
    api.jobs["b", "a"] = job("a", "Running")
    api.jobs["b", "a"]["metadata"]["namespace"] = "b"
    api.answers["/api/v1/namespaces/b/pods"] = {"items": []}
    api.answers["/apis/imagejob.dev/v1alpha1/namespaces/b/imagestores/x"] = errors.Rejected(404, "x")
    cluster = ("-n", "b", "--context", "p d", "--kubeconfig", "f")
    assert f"{suggested} -n b --context 'p d' --kubeconfig f" in run(*words, *cluster).err


def test_a_suggested_command_has_the_namespace_of_a_manifest(api: FakeTransport, run: Run) -> None:
    made = build("a", source={"keys": ["k"]}, renditions=[rendition("out", width=9)], namespace="b")
    api.jobs["b", "a"] = job("a", "Running")
    refused = run("submit", "-", stdin=to_yaml(made))
    assert "to run it again: imagejob retry a -n b; to change it" in refused.err
    # The option -n of the command leads elsewhere: the suggestion has one namespace, that of the job.
    api.jobs["b", "a"]["metadata"]["namespace"] = "b"
    late = run(
        "submit", "-", "--watch", "--timeout", "0.01", stdin=to_yaml({**made, "metadata": {"name": "c"}})
    )
    assert "the run goes on: imagejob watch c\n" in late.err


@pytest.mark.parametrize("words", [["watch", "a"], ["submit", "-", "--wait"], ["submit", "-", "--watch"]])
def test_an_interrupted_follower_names_the_run_that_goes_on(
    api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    made = build("b", source={"keys": ["k"]}, renditions=[rendition("out", width=9)])
    api.add(job("a", "Running"))
    monkeypatch.setattr(FakeTransport, "lines", interrupted)
    two = to_yaml(made) + "---\n" + to_yaml({**made, "metadata": {"name": "c"}})
    done = run(*words, "-n", "shop", stdin=two)
    followed = "a" if words[0] == "watch" else "b"
    assert done.code == 130
    assert done.err == f"interrupted; the run goes on: imagejob watch {followed} -n shop\n"


@pytest.mark.parametrize("module", ["imagejob_cli.main", "typer", "imagejob_cli.terminal", "imagejob.errors"])
def test_an_interrupt_while_the_program_is_loaded_is_exit_130(module: str, tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == {module!r}: raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "from imagejob_cli.entry import main\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_a_second_interrupt_ends_the_process_without_a_traceback() -> None:
    program = (
        "import signal, sys, threading\n"
        "from imagejob_cli import main as module\n"
        "from imagejob_cli.entry import main\n"
        "def run():\n"
        "    threading.Thread(target=threading.Event().wait).start()\n"
        "    raise KeyboardInterrupt\n"
        "module.main = run\n"
        "code = main()\n"
        "print('ended', flush=True)\n"
        "sys.exit(code)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "ended\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == ""
    assert process.returncode == -signal.SIGINT


def test_the_installed_commands_load_the_rest_where_an_interrupt_is_caught() -> None:
    scripts = {one.name: one.value for one in entry_points(group="console_scripts") if "imagejob" in one.name}
    assert set(scripts.values()) == {"imagejob_cli.entry:main", "imagejob_cli.entry:complete"}
    program = "import sys, imagejob_cli.entry; sys.exit(any('typer' in name for name in sys.modules))"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_help_has_no_word_of_the_library(run: Run) -> None:
    for command in COMMANDS:
        text = run(command, "--help").out
        assert "[[" not in text, command
        assert not re.search(r"\d\.0\b", text), command


def test_an_interrupt_is_exit_130(api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeTransport, "request", interrupted)
    assert run("list").code == 130


def test_a_bug_is_one_line_unless_its_traceback_is_wanted(
    api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.add({"kind": "ImageJob", "metadata": {"name": "a", "namespace": "shop", "creationTimestamp": 7}})
    done = run("list")
    assert (done.code, done.out) == (exits.BUG, "")
    assert done.err.startswith("imagejob: internal error: TypeError: ")
    assert "IMAGEJOB_TRACEBACK=1" in done.err
    monkeypatch.setenv("IMAGEJOB_TRACEBACK", "1")
    with pytest.raises(TypeError):
        run("list")


def test_the_version_is_that_of_the_distribution(run: Run) -> None:
    assert run("--version") == (0, f"{version('imagejob')}\n", "")


def test_a_terminal_without_utf_8_gets_other_characters() -> None:
    program = (
        "from imagejob_cli import terminal; from imagejob_cli.main import main; "
        "main(['--version']); terminal.write('✓ ok')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("? ok\n")


def test_a_reader_that_ends_early_is_no_error() -> None:
    program = "import sys; from imagejob_cli.main import main; sys.exit(main(['explain', 'JOB_005']))"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_help_starts_without_what_only_a_cluster_needs() -> None:
    slow = ("kubernetes", "minio", "urllib3", "websocket", "yaml", "rich")
    program = (
        "import sys; from imagejob_cli.main import main; main(['--help']); "
        f"sys.exit(any(name in sys.modules for name in {slow}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True, stdout=subprocess.DEVNULL)


def test_main_returns_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "JOB_004"]) == 0
    assert "imagejob list -A" in capsys.readouterr().out
