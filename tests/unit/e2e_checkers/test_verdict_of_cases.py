"""The verdict on a case of the failure matrix passes what is right, and finds everything that is not."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import pytest
from prometheus_client import generate_latest

from e2e.faults.arena import read_finished
from e2e.faults.store_proxy import Request, read_head
from e2e.faults.verdict import Outcome, objections
from fakes.build import job
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import CATALOGUE, Code, Failure, Reason
from imagejob_operator.api.status import parse_status


@dataclass(frozen=True)
class Promise:
    """What a case promises."""

    ends: str = "JOB_003/QuotaExceeded"
    limit: float = 16
    evidence: tuple[str, ...] = ("exceeded quota: none",)
    photos: tuple[str, ...] = ("china.jpg",)
    attempts: str = "0=1"
    outputs: int | None = None
    deferred: bool = False
    kept: int = 0


def failed() -> dict[str, Any]:
    pair = (Code.LAUNCH, Reason.QUOTA_EXCEEDED)
    entry = CATALOGUE[pair]
    error = {
        "code": "JOB_003",
        "reason": "QuotaExceeded",
        "message": "pods is forbidden: exceeded quota: none",
        "fault": entry.fault.value,
        "retriable": entry.retriable,
        "runbook": Failure(*pair, "").runbook,
    }
    conditions = [{"type": "Finished", "status": "True"}, {"type": "StagingCleaned", "status": "True"}]
    run = {"number": 1, "shards": {"attempts": "0=1"}}
    return {
        "status": {
            "phase": "Failed",
            "error": error,
            "run": run,
            "staging": {"prefix": "x/"},
            "conditions": conditions,
        }
    }


GOOD = Outcome(
    job=failed(),
    ended=failed(),
    seconds=7,
    staging=[],
    left=[],
    kept=0,
    events=[("Warning", "QuotaExceeded")],
    outputs=[],
    missed=[],
)


def followed(**past: Any) -> dict[str, Any]:
    """The job with its next run, and what the history says of the one before."""
    entry = {"number": 1, "phase": "Failed", "code": "JOB_003", "reason": "QuotaExceeded", **past}
    return {"status": {"phase": "Suspended", "run": {"number": 1}, "history": [entry]}}


def error(**fields: Any) -> Outcome:
    """The outcome with another error."""
    changed = failed()
    changed["status"]["error"].update(fields)
    return replace(GOOD, job=changed, ended=changed)


def outcome_with(change: Callable[[dict[str, Any]], object]) -> Outcome:
    changed = copy.deepcopy(failed())
    change(changed["status"])
    return replace(GOOD, job=changed, ended=changed)


PLANTED = {
    "late": (replace(GOOD, seconds=16.5), "it took 16.5 s"),
    "staging-left": (replace(GOOD, staging=["x/in/000000"]), "left in staging: x/in/000000"),
    "secret-left": (replace(GOOD, left=["job-0-1"]), "left behind: job-0-1"),
    "pod-kept": (replace(GOOD, kept=1), "1 Pods are kept"),
    "gone": (replace(GOOD, job=None), "the job is gone"),
    "fault-never-struck": (replace(GOOD, missed=["copy"]), "never struck"),
    "no-event": (replace(GOOD, events=[]), "Events are []"),
    "two-events": (replace(GOOD, events=GOOD.events * 2), "Events are"),
    "normal-event": (replace(GOOD, events=[("Normal", "QuotaExceeded")]), "Events are"),
    "published": (replace(GOOD, outputs=["out/a.jpg"]), "1 outputs, not 0"),
    "other-code": (error(code="JOB_005"), "not as JOB_003/QuotaExceeded"),
    "other-reason": (error(reason="PodRejected"), "not as JOB_003/QuotaExceeded"),
    "no-evidence": (error(message="it failed"), "is not in: it failed"),
    "other-fault": (error(fault="User"), "fault, retriable, runbook"),
    "other-runbook": (error(runbook="https://example.com"), "fault, retriable, runbook"),
    "still-failing": (outcome_with(lambda s: s.update(phase="Failing")), "the phase is Failing"),
    "not-cleaned": (outcome_with(lambda s: s["conditions"].pop()), "StagingCleaned"),
    "tried-twice": (outcome_with(lambda s: s["run"]["shards"].update(attempts="0=2")), "attempts are '0=2'"),
    "changed-its-mind": (replace(GOOD, job=error(code="JOB_005").job), "the end did not stay"),
    "history-changed": (replace(GOOD, job=followed(code="JOB_005")), "the end did not stay"),
    "history-of-another-run": (replace(GOOD, job=followed(number=2)), "the end did not stay"),
}


def test_what_is_right_passes() -> None:
    assert objections(Promise(), GOOD) == []
    assert objections(Promise(), replace(GOOD, job=followed())) == []


@pytest.mark.parametrize(("outcome", "words"), PLANTED.values(), ids=PLANTED)
def test_what_is_planted_is_found(outcome: Outcome, words: str) -> None:
    assert any(words in text for text in objections(Promise(), outcome))


def test_a_success_that_failed_is_found() -> None:
    assert any("it ended as Failed" in text for text in objections(Promise(ends="Succeeded"), GOOD))


def test_a_success_of_another_outcome_is_found() -> None:
    conditions = [{"type": "StagingCleaned", "status": "True"}]
    run = {"shards": {"attempts": "0=1"}, "outcome": "SucceededWithFailures"}
    job = {"status": {"phase": "Succeeded", "run": run, "conditions": conditions}}
    events = [("Normal", "SucceededWithFailures")]
    partial = replace(GOOD, job=job, ended=job, events=events, outputs=["out/a.jpg"])
    promise = Promise(ends="Succeeded/SucceededWithFailures")
    assert objections(promise, partial) == []
    found = objections(Promise(ends="Succeeded"), partial)
    assert any("not as Succeeded" in text for text in found)
    assert any("Events are" in text for text in found)
    plain = {
        "status": {"phase": "Succeeded", "run": {"shards": {"attempts": "0=1"}}, "conditions": conditions}
    }
    assert any("it ended as" in t for t in objections(promise, replace(partial, job=plain, ended=plain)))


def test_a_deletion_is_compared_with_its_events_and_the_job() -> None:
    gone = replace(GOOD, job=None, ended=None, events=[])
    promise = Promise(ends="Deleted")
    assert objections(promise, gone) == []
    late = [("Warning", "CleaningDeferred")]
    assert any("deferred" in text for text in objections(promise, replace(gone, events=late)))
    assert any("deferred" in text for text in objections(replace(promise, deferred=True), gone))
    assert any("still there" in text for text in objections(promise, replace(gone, job=failed())))


# --- what the operator counts ------------------------------------------------------------------------------


def test_the_ends_are_read_from_the_operator_s_own_metrics() -> None:
    metrics = Metrics()
    failing = parse_status(failed()["status"] | {"phase": "Failing", "run": {}, "conditions": []})
    ended = replace(job(), status=msgspec.structs.replace(failing, phase="Failed"))
    metrics.moved(failing, ended)
    page = generate_latest(metrics.registry).decode()
    assert read_finished(page) == {("Failed", "JOB_003", "QuotaExceeded"): 1}
    metrics.moved(failing, ended)
    twice = read_finished(generate_latest(metrics.registry).decode())
    assert twice != {("Failed", "JOB_003", "QuotaExceeded"): 1}, "an end that is counted twice would show"


# --- what the proxy takes a request for --------------------------------------------------------------------

STAGED = "/media/.imagejob-staging/demo/shop/uid/1-1"


def asked(first: str, *headers: str, body: bytes = b"") -> Request:
    head = "\r\n".join([f"{first} HTTP/1.1", "Host: store:9000", *headers, "Connection: keep-alive", "", ""])
    return replace(read_head(head.encode()), body=body)


@pytest.mark.parametrize(
    ("request_", "operation", "about"),
    [
        (asked("HEAD /media/shop/a.jpg"), "stat", "/media/shop/a.jpg"),
        (asked("HEAD /media"), "bucket", "/media"),
        (asked("GET /media/shop/a%20b.jpg?X-Amz-Signature=1"), "get", "shop/a b.jpg"),
        (asked("GET /media?list-type=2&prefix=shop%2Fuploads%2F"), "list", "shop/uploads/"),
        (asked(f"PUT {STAGED}/in/000000", "x-amz-copy-source: /media/shop/%C3%BC.jpg"), "copy", "shop/ü.jpg"),
        (asked(f"PUT {STAGED}/manifest.json"), "put", "manifest.json"),
        (asked("POST /media?delete", body=b"<Key>shop/x</Key>"), "delete", "shop/x"),
        (asked("POST /media", body=b'name="key"\r\n\r\nshop/out'), "post", "shop/out"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_request_is_known_for_what_it_is(request_: Request, operation: str, about: str) -> None:
    assert request_.operation == operation
    assert about in request_.about


def test_the_host_is_passed_on_and_the_connection_is_for_one_request() -> None:
    head = asked("GET /media/a").head
    assert b"Host: store:9000\r\n" in head
    assert head.count(b"Connection:") == 1
    assert head.endswith(b"Connection: close\r\n\r\n")


def test_pods_and_operator_are_distinguished() -> None:
    assert asked("GET /media/a", "User-Agent: imagejob-processor").who == "pod"
    assert asked("GET /media/a", "User-Agent: MinIO (Linux; x86_64) minio-py/7").who == "operator"
