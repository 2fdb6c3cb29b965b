"""`imagejob cancel`, `suspend`, `resume` and `retry`, and objects that Argo CD or Flux manages."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from fakes.transport import Body, FakeTransport, error, job
from unit.cli.conftest import Run

CASES = [
    (["cancel", "a"], "Running", {"cancelRunID": "1"}, "cancelled"),
    (["suspend", "a"], "Running", {"suspend": True}, "suspended"),
    (["resume", "a"], "Suspended", {"suspend": False}, "resumed"),
    (["retry", "a"], "Failed", {"run": {"id": "2", "items": "All"}}, "retried"),
    (
        ["retry", "a", "--failed", "--run-id", "x"],
        "Failed",
        {"run": {"id": "x", "items": "Failed"}},
        "retried",
    ),
]


def in_phase(phase: str) -> Body:
    body = job("a", phase)
    body["spec"]["suspend"] = phase == "Suspended"
    return body


@pytest.mark.parametrize(("words", "phase", "change", "done"), CASES)
def test_a_verb_changes_the_job(
    api: FakeTransport, run: Run, words: list[str], phase: str, change: Any, done: str
) -> None:
    api.add(in_phase(phase))
    assert run(*words) == (0, f"imagejob.imagejob.dev/a {done}\n", "")
    assert [body for *_, body in api.changes] == [{"spec": change}]


@pytest.mark.parametrize(("words", "phase", "change", "done"), CASES)
def test_a_managed_job_is_left_alone_unless_forced(
    api: FakeTransport, run: Run, words: list[str], phase: str, change: Any, done: str
) -> None:
    body = in_phase(phase)
    body["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "apps"}
    api.add(body)
    refused = run(*words)
    assert refused.code == 2
    assert yaml.safe_load(refused.out) == {"spec": change}
    assert "managed by the Flux Kustomization 'apps', which would revert the change" in refused.err
    assert "--force" in refused.err
    assert not api.changes
    assert run(*words, "--force").code == 0
    assert len(api.changes) == 1


@pytest.mark.parametrize(
    ("words", "phase", "shown"),
    [
        (["cancel", "a"], "Succeeded", "no active run to cancel: its phase is Succeeded"),
        (["retry", "a"], "Running", "has not finished: its phase is Running"),
        (["retry", "a", "--run-id", "1"], "Failed", "run.id '1' of ImageJob 'a' is in use"),
    ],
)
def test_what_the_state_does_not_allow_is_exit_2(
    api: FakeTransport, run: Run, words: list[str], phase: str, shown: str
) -> None:
    api.add(job("a", phase))
    done = run(*words)
    assert done.code == 2
    assert shown in done.err
    assert not api.changes


@pytest.mark.parametrize(
    ("words", "spec"),
    [(["suspend", "a"], {"suspend": True}), (["resume", "a"], {}), (["cancel", "a"], {"cancelRunID": "1"})],
)
def test_a_change_that_was_made_before_is_not_made(
    api: FakeTransport, run: Run, words: list[str], spec: Any
) -> None:
    api.add({**job("a", "Running"), "spec": spec})
    assert run(*words) == (0, "imagejob.imagejob.dev/a unchanged\n", "")
    assert not api.changes


def test_a_retry_can_be_waited_for(api: FakeTransport, run: Run) -> None:
    api.add(job("a", "Failed"))
    again = job("a", "Failed", run={"id": "2", "number": 2}, error=error("JOB_002", "SourceEmpty", "none"))
    api.events = [{**again, "metadata": {**again["metadata"], "generation": 1}}]
    done = run("retry", "a", "--wait")
    assert done.code == 1
    assert done.out.startswith("imagejob.imagejob.dev/a retried\n")


def test_the_advice_for_a_managed_job_is_a_change_for_git(api: FakeTransport, run: Run) -> None:
    body = job("a", "Failed", error=error("JOB_002", "SourceEmpty", "none"))
    body["metadata"]["annotations"] = {"argocd.argoproj.io/tracking-id": "apps:imagejob.dev/ImageJob:shop/a"}
    api.add(body)
    out = run("status", "a").out
    assert "managed by the Argo CD Application 'apps'" in out
    assert "imagejob retry a  # print the change for Git that starts a new run\n" in out
    assert "kubectl edit" not in out
    body["status"]["error"] = error("JOB_001", "InvalidSpec", "x")
    assert "starts a new run; correct the spec there, too\n" in run("status", "a").out
