"""A job that is being deleted: how long, what that waits for, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fakes.transport import Body, FakeTransport, condition, error, job
from imagejob_operator.naming.names import FINALIZER
from unit.cli.conftest import Run

WAITS = {"reason": "Unschedulable", "message": "0/3 nodes are available"}
LAUNCHING = [condition("Ready", "False", **WAITS), condition("Reconciling", **WAITS)]
OPERATOR = f"the operator, which removes the finalizer {FINALIZER}"
RUNBOOK = "runbook https://imagejob.dev/docs/administrators/runbook#a-deletion-hangs"


def deleted(seconds: float, body: Body, *finalizers: str) -> Body:
    since = datetime.now(UTC) - timedelta(seconds=seconds)
    return {
        **body,
        "metadata": {
            **body["metadata"],
            "deletionTimestamp": since.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "finalizers": list(finalizers),
        },
    }


def launching() -> Body:
    return job("a", "Launching", conditions=LAUNCHING)


def test_a_deletion_without_an_operator_hangs(api: FakeTransport, run: Run) -> None:
    api.add(deleted(903, launching(), FINALIZER))
    heading, waits, unserved, runbook = run("status", "a").out.splitlines()[:4]
    assert heading == "shop/a  Launching  run 1"
    assert waits == f"being deleted for 15m; waits for {OPERATOR}"
    assert unserved.startswith("no operator has handled its deletion for 30 s")
    assert runbook == RUNBOOK


def test_the_advice_is_about_the_deletion(api: FakeTransport, run: Run) -> None:
    api.add(deleted(903, launching(), FINALIZER))
    out = run("status", "a").out
    assert "WAITING" not in out
    assert "nodes" not in out
    assert "NEXT\n  imagejob doctor  # find out which operator is missing\n" in out


@pytest.mark.parametrize(("phase", "seconds"), [("Launching", 5), ("Deleting", 60)])
def test_a_deletion_that_does_not_hang(api: FakeTransport, run: Run, phase: str, seconds: int) -> None:
    api.add(deleted(seconds, job("a", phase), FINALIZER))
    out = run("status", "a").out
    assert f"; waits for {OPERATOR}\n" in out
    assert "runbook" not in out
    assert "imagejob doctor  # check the operator, which ends the deletion" in out


def test_an_operator_that_has_begun_may_have_stopped(api: FakeTransport, run: Run) -> None:
    note = condition("Ready", "False", reason="StoreUnavailable", message="the store does not answer")
    api.add(deleted(150, job("a", "Deleting", conditions=[note]), FINALIZER))
    out = run("status", "a").out
    assert f"{OPERATOR}: the store does not answer\n{RUNBOOK}\n" in out


def test_finalizers_of_others_are_named(api: FakeTransport, run: Run) -> None:
    api.add(deleted(903, job("a", "Succeeded", report="r.json"), "b.dev/x", "b.dev/y"))
    out = run("status", "a").out
    assert "waits for other controllers, which remove the finalizers b.dev/x, b.dev/y\n" in out
    assert "runbook" not in out
    assert "NEXT" not in out


def test_list_has_the_deletion_as_the_reason(api: FakeTransport, run: Run) -> None:
    failed = job("b", "Failed", error=error("JOB_002", "SourceEmpty", "none"))
    api.add(deleted(903, launching(), FINALIZER), deleted(4, failed))
    a, b = run("list").out.splitlines()[1:]
    assert f"being deleted for 15m; waits for {OPERATOR}; no operator has handled its deletion" in a
    assert "Unschedulable" not in a
    assert "being deleted for " in b
    assert "JOB_002" not in b


def test_watch_follows_the_deletion(api: FakeTransport, run: Run) -> None:
    api.add(deleted(5, launching(), FINALIZER))
    out = run("watch", "a", "--timeout", "0.01").out
    assert f"Launching  being deleted; waits for {OPERATOR}\n" in out
