"""The command line against a minimal API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagejob_cli.main import main
from imagejob_operator.naming.names import FINALIZER


def job(phase: str, generation: int = 1, **status: Any) -> dict[str, Any]:
    ended = phase in ("Succeeded", "Failed")
    conditions = [
        {"type": "Finished", "status": str(ended)},
        {"type": "Succeeded", "status": {"Succeeded": "True", "Failed": "False"}.get(phase, "Unknown")},
    ]
    return {
        "apiVersion": "imagejob.dev/v1alpha1",
        "kind": "ImageJob",
        "metadata": {"name": "a", "namespace": "shop", "generation": generation, "resourceVersion": "7"},
        "status": {"observedGeneration": 1, "phase": phase, "conditions": conditions, **status},
    }


FAILED = job(
    "Failed", error={"code": "JOB_002", "reason": "SourceNotFound", "message": "no such object 'x.jpg'"}
)


class World:
    """The state of the server: one job, and the events of a watch."""

    def __init__(self) -> None:
        self.job: dict[str, Any] | None = None
        self.events: list[dict[str, Any]] = []


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    state = World()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "watch=true" in self.path.lower():
                body = "".join(json.dumps(event) + "\n" for event in state.events)
                status = 200
            elif state.job is None:
                body, status = json.dumps({"kind": "Status", "reason": "NotFound", "code": 404}), 404
            else:
                body, status = json.dumps(state.job), 200
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(path))
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(path))
    yield state
    server.shutdown()
    server.server_close()


def test_status_of_a_job_that_succeeded(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.job = job("Succeeded", progress="2/2")
    assert main(["status", "a"]) == 0
    assert capsys.readouterr().out == "Succeeded  2/2 items\n"


def test_status_of_a_waiting_job_has_the_reason(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.job = job("Suspended")
    world.job["status"]["conditions"] = [
        {"type": "Ready", "status": "False", "message": "spec.suspend is true: nothing runs"}
    ]
    assert main(["status", "a"]) == 0
    assert capsys.readouterr().out == "Suspended  spec.suspend is true: nothing runs\n"


def test_status_of_a_failed_job_has_the_error_and_exits_with_1(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.job = FAILED
    assert main(["status", "a"]) == 1
    assert capsys.readouterr().out == "Failed  JOB_002 SourceNotFound: no such object 'x.jpg'\n"


@pytest.mark.parametrize("command", ["status", "follow"])
def test_no_such_job_is_job_004_and_exit_4(
    world: World, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "a"]) == 4
    printed = capsys.readouterr().err
    assert "JOB_004 JobNotFound" in printed
    assert "'a' in namespace 'shop'" in printed


def test_no_kubeconfig_is_no_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "a", "--kubeconfig", str(tmp_path / "none")]) == 3
    assert "set KUBECONFIG" in capsys.readouterr().err


def test_follow_shows_each_change_once(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.job = job("Staging")
    world.events = [
        {"type": "MODIFIED", "object": job("Running", progress="1/2")},
        {"type": "MODIFIED", "object": job("Running", progress="1/2")},
        {"type": "MODIFIED", "object": job("Succeeded", progress="2/2")},
    ]
    assert main(["follow", "a"]) == 0
    lines = [line.split("s  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["Staging", "Running  1/2 items", "Succeeded  2/2 items"]


def test_follow_a_newer_spec_is_not_ended_by_the_old_status(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.job = job("Succeeded", generation=2)
    world.events = [{"type": "MODIFIED", "object": FAILED}]
    assert main(["follow", "a"]) == 1


def test_follow_ends_after_its_timeout(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.job = job("Running")
    assert main(["follow", "a", "--timeout", "0.2"]) == 3
    assert "has not finished within" in capsys.readouterr().err


def fresh(seconds: float, **spec: str) -> dict[str, Any]:
    """A job without a status that was created so many seconds ago."""
    created = datetime.now(UTC) - timedelta(seconds=seconds)
    made = job("")
    made["metadata"]["creationTimestamp"] = created.isoformat(timespec="seconds").replace("+00:00", "Z")
    return {**made, "spec": spec, "status": {}}


@pytest.mark.parametrize("command", [["status", "a"], ["follow", "a", "--timeout", "1"]])
def test_a_job_that_no_operator_serves_is_named(
    world: World, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    world.job = fresh(40, **{"class": "prodution"})
    main(command)
    text = "Pending  no operator has handled it for 30 s: is an operator with the class 'prodution' running"
    assert f"{text} in this cluster; is spec.class 'prodution' right?\n" in capsys.readouterr().out


def test_a_job_without_a_class_that_no_operator_serves(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.job = fresh(40)
    main(["status", "a"])
    assert capsys.readouterr().out == (
        "Pending  no operator has handled it for 30 s: is an operator without a class running in this "
        "cluster; is spec.class missing?\n"
    )


def test_a_job_that_was_just_created_is_pending(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.job = fresh(5, **{"class": "prodution"})
    main(["status", "a"])
    assert capsys.readouterr().out == "Pending\n"


def ago(seconds: float) -> str:
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


NO_OPERATOR = "for 30 s: is an operator without a class running in this cluster; is spec.class missing?"


@pytest.mark.parametrize(
    ("phase", "seconds", "shown"),
    [
        ("Running", 40, f"Running  no operator has handled its deletion {NO_OPERATOR}\n"),
        ("Failed", 40, f"Failed  no operator has handled its deletion {NO_OPERATOR}\n"),
        ("Running", 5, "Running\n"),
        ("Deleting", 40, "Deleting\n"),
    ],
)
def test_a_deletion_that_no_operator_handles_is_named(
    world: World, capsys: pytest.CaptureFixture[str], phase: str, seconds: float, shown: str
) -> None:
    world.job = job(phase)
    world.job["metadata"] |= {"deletionTimestamp": ago(seconds), "finalizers": [FINALIZER]}
    main(["status", "a"])
    assert capsys.readouterr().out == shown
    world.job["metadata"]["finalizers"] = ["foregroundDeletion"]
    main(["status", "a"])
    assert capsys.readouterr().out == f"{phase}\n"


@pytest.mark.parametrize("phase", ["Cancelling", "Failing"])
def test_a_new_run_waits_for_the_end_of_the_earlier_one(
    world: World, capsys: pytest.CaptureFixture[str], phase: str
) -> None:
    """Its cleaning may take a minute."""
    world.job = {**job(phase, 2, run={"id": "1"}), "spec": {"run": {"id": "2"}}}
    world.job["metadata"]["managedFields"] = [{"manager": "kubectl", "time": ago(40)}]
    main(["status", "a"])
    assert capsys.readouterr().out == f"{phase}\n"


@pytest.mark.parametrize(
    ("run", "seconds", "more"),
    [
        ("2", 40, f"  no operator has handled the new run '2' {NO_OPERATOR}"),
        ("2", 5, ""),
        ("1", 40, ""),
    ],
)
def test_a_new_run_that_no_operator_handles_is_named(
    world: World, capsys: pytest.CaptureFixture[str], run: str, seconds: float, more: str
) -> None:
    world.job = {**job("Succeeded", 2, run={"id": "1"}), "spec": {"run": {"id": run}}}
    world.job["metadata"]["managedFields"] = [
        {"manager": "kubectl", "time": ago(seconds)},
        {"manager": "imagejob-operator", "subresource": "status", "time": ago(1)},
    ]
    main(["status", "a"])
    assert capsys.readouterr().out == f"Succeeded{more}\n"
    handled = job("Succeeded", 1, run={"id": "1"})
    world.job = {**handled, "spec": world.job["spec"], "metadata": {**world.job["metadata"], "generation": 1}}
    main(["status", "a"])
    assert capsys.readouterr().out == "Succeeded\n"


def test_following_says_it_as_soon_as_it_is_so(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.job = fresh(28)
    main(["follow", "a", "--timeout", "6"])
    lines = [line.split("  ")[1:] for line in capsys.readouterr().out.splitlines()]
    assert lines[0][-1] == "Pending"
    assert lines[1][-1].startswith("no operator has handled it")
