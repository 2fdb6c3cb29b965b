"""What a decision writes for people: the whole of each message, with its code and reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, PREFIX, attempt, job, later, seen, spec, status
from imagejob_contract.result import ItemCode, ItemError
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagestore_status import Readiness, StoreReason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import FailurePolicy
from imagejob_operator.api.status import FailedItem, ItemCounts, OutputCounts, Status
from imagejob_operator.decision.action import Action, RecordEvent, ReleaseFinalizer
from imagejob_operator.decision.attempt import AttemptCounts, Problem, Refusal, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Admission, Decision, StoreView, StoreViews
from imagejob_operator.decision.operation import Broken, Clean, Cleaned, Operation, Progress, Stage, Staged
from imagejob_operator.decision.phases.cleaning import deferral
from imagejob_operator.decision.status_update import outcome_text, undeleted
from imagejob_operator.decision.unstaged import item_error, too_many_unstaged

ADMITTED = Admission(True)


def decided(current: Status, wanted: dict[str, Any] | None = None, at: float = 0, **more: Any) -> Decision:
    return decide(seen(job(current, wanted or spec()), now=later(at), **more))


def error(decision: Decision) -> tuple[str, str, str]:
    found = decision.status.error
    assert found
    return found.code, found.reason, found.message


def ready(decision: Decision) -> tuple[str, str]:
    found = decision.status.condition("Reconciling")
    assert found
    return found.reason, found.message


# --- why a run does not start ------------------------------------------------------------------------------

UNKNOWN = (
    "the labels of namespace 'shop' could not be read, so it is not known whether the namespace may use the "
    "operator's store; see the log of the operator"
)
NO_STORE = StoreView("media")
UNREADY = StoreView("media", "u", Readiness(StoreReason.SECRET_NOT_FOUND, "there is no keys"))


@pytest.mark.parametrize(
    ("more", "reason", "text"),
    [
        ({}, "ClusterRefused", UNKNOWN),
        ({"admission": Admission(False, "no label")}, "NotPermitted", "no label"),
        (
            {"admission": ADMITTED, "stores": StoreViews(destination=NO_STORE)},
            "StoreNotFound",
            "there is no ImageStore 'media' in this namespace; create it, or correct storeRef",
        ),
        (
            {"admission": ADMITTED, "stores": StoreViews(source=UNREADY)},
            "StoreNotReady",
            "the ImageStore 'media' is not ready (SecretNotFound): there is no keys",
        ),
    ],
    ids=["unknown", "not-admitted", "no-store", "not-ready"],
)
def test_a_store_that_may_not_be_used_is_waited_for_and_then_refused(
    more: dict[str, Any], reason: str, text: str
) -> None:
    waiting = Status(phase="Pending", phase_since=NOW)
    found = decided(waiting, at=299, **more)
    until = f"{later(300):%Y-%m-%dT%H:%M:%SZ}"
    waits = f"{text} (the operator waits until {until})"
    assert (found.status.at, ready(found)) == (Phase.PENDING, (reason, waits))
    assert ready(decided(Status(), at=0, **more)) == (reason, waits), "the first status says it too"
    assert found.requeue_at == later(300)
    assert decided(waiting, at=10, **more).requeue_at == later(15)
    late = decided(waiting, at=300, **more)
    assert late.status.at is Phase.FAILED
    assert error(late) == ("JOB_001", reason, f"{text} (waited 5m0s)")


REFUSED = Problem(Reason.CLUSTER_REFUSED, "the finalizer cannot be added: 503")


def test_a_finalizer_that_is_refused_is_waited_for_and_then_refused() -> None:
    waiting = Status(phase="Pending", phase_since=NOW)
    refusal = Refusal(REFUSED, NOW, later(100))
    found = decided(waiting, at=99, admission=ADMITTED, finalizer_refused=refusal)
    assert (ready(found), found.requeue_at) == (("ClusterRefused", REFUSED.message), later(100))
    again = decided(waiting, at=100, admission=ADMITTED, finalizer_refused=refusal)
    assert again.status.at is Phase.STAGING
    late = decided(waiting, at=300, admission=ADMITTED, finalizer_refused=refusal)
    assert error(late) == ("JOB_001", "ClusterRefused", f"{REFUSED.message} (waited 5m0s)")


def test_a_job_that_the_api_server_rejects_is_refused_at_once() -> None:
    refusal = Refusal(Problem(Reason.INVALID_SPEC, "Too many: 33", certain=True), NOW, NOW)
    found = decided(Status(phase="Pending"), admission=ADMITTED, finalizer_refused=refusal)
    text = "the API server rejects the ImageJob as it is: Too many: 33; fix it and apply it again"
    assert error(found) == ("JOB_001", "InvalidSpec", text)


# --- why a run ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "phase", "code", "reason", "text"),
    [
        (
            {"cancelRunID": "1"},
            Phase.CANCELLING,
            "JOB_008",
            "Cancelled",
            "spec.cancelRunID is '1', the id of this run",
        ),
        (
            {"run": {"id": "2"}},
            Phase.CANCELLING,
            "JOB_008",
            "Superseded",
            "spec.run.id was changed to '2': this run ends and the new one starts",
        ),
    ],
)
def test_a_run_that_its_user_ends(
    wanted: dict[str, Any], phase: Phase, code: str, reason: str, text: str
) -> None:
    found = decided(status(Phase.RUNNING), spec(**wanted))
    assert (found.status.at, error(found)) == (phase, (code, reason, text))


@pytest.mark.parametrize(
    ("progress", "evidence"), [("", ""), ("1/2", "; progress 1/2")], ids=["no-progress", "progress"]
)
@pytest.mark.parametrize("problem", ["", "no node fits"])
def test_a_run_that_takes_too_long(progress: str, evidence: str, problem: str) -> None:
    hurried = spec(execution={"activeDeadlineSeconds": 5})
    running = attempt(State.RUNNING, Problem(Reason.UNSCHEDULABLE, problem) if problem else None)
    current = msgspec.structs.replace(status(Phase.RUNNING), progress=progress)
    text = (
        f"the run exceeded spec.execution.activeDeadlineSeconds (5 s) in phase Running; raise it or use "
        f"fewer items{evidence}{f'; last problem: {problem}' if problem else ''}"
    )
    assert error(decide(seen(job(current, hurried), running, now=later(5)))) == (
        "JOB_006",
        "DeadlineExceeded",
        text,
    )
    assert decide(seen(job(current, hurried), running, now=later(4.9))).status.at is Phase.RUNNING


def test_a_staging_that_takes_too_long() -> None:
    hurried = spec(execution={"stagingDeadlineSeconds": 5})
    late = decided(status(Phase.STAGING), hurried, 5)
    text = (
        "the sources were not staged within spec.execution.stagingDeadlineSeconds (5 s); raise it or use "
        "fewer items"
    )
    assert error(late) == ("JOB_002", "StagingDeadlineExceeded", text)
    validating = decided(status(Phase.VALIDATING), {**hurried, "run": {"id": "1", "mode": "Validate"}}, 5)
    text = text.replace("the sources were not staged", "the run was not validated")
    assert error(validating) == ("JOB_002", "StagingDeadlineExceeded", text)


def test_more_pods_than_there_may_be() -> None:
    staged = Staged(items=5000, objects=5000, bytes=1)
    found = decided(
        status(Phase.STAGING),
        spec(execution={"itemsPerPod": 1}),
        operation=Stage(PREFIX),
        progress=staged,
    )
    text = "spec.execution.itemsPerPod: 1 with 5000 items needs more than 1000 Pods; set it to 5 or more"
    assert error(found) == ("JOB_001", "InvalidSpec", text)


# --- what could not be cleaned -----------------------------------------------------------------------------

CLEAN = Clean((PREFIX,))


@pytest.mark.parametrize(
    ("progress", "reason", "more"),
    [
        (None, Reason.DEADLINE_EXCEEDED, ""),
        (
            Broken(Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503"), NOW),
            Reason.STORE_UNAVAILABLE,
            ": 503",
        ),
    ],
)
def test_why_the_staging_could_not_be_emptied(progress: Progress | None, reason: Reason, more: str) -> None:
    found = deferral(seen(job(status(Phase.FAILING))), progress)
    text = f"the staged objects could not be deleted within the time allowed for the cleanup{more}"
    assert (found.reason, found.message) == (reason, text)


def deleted(
    *attempts: Any,
    at: float = 0,
    progress: Progress | None = None,
    **more: Any,
) -> Decision:
    whole = Clean((PREFIX.removesuffix(PREFIX.rsplit("/", 2)[1] + "/"),))
    operation: Operation | None = whole if progress else None
    of = job(status(Phase.RUNNING), deleted_at=NOW)
    return decide(seen(of, *attempts, now=later(at), operation=operation, progress=progress, **more))


END = "the finalizer is removed at 12:01:00 UTC at the latest"
BROKEN = Broken(Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503"), later(9))


@pytest.mark.parametrize(
    ("found", "reason", "text"),
    [
        (lambda: deleted(), "Deleting", f"the staging is being emptied; {END}"),
        (lambda: deleted(attempt(State.RUNNING)), "Deleting", f"its Pods are being deleted; {END}"),
        (
            lambda: deleted(progress=BROKEN),
            "StoreUnavailable",
            f"the staging cannot be emptied: 503; {END}",
        ),
    ],
    ids=["emptied", "pods", "broken"],
)
def test_what_a_deletion_waits_for(found: Any, reason: str, text: str) -> None:
    decision = found()
    assert decision.status.at is Phase.DELETING
    assert ready(decision) == (reason, text)


def test_a_deletion_that_is_not_cleaned_in_time_releases_the_job() -> None:
    found = deleted(at=70, progress=BROKEN, operation_since=NOW)
    text = "the staged objects could not be deleted within the time allowed for the cleanup: 503"
    actions: list[Action] = [
        RecordEvent(True, "CleaningDeferred", text, 1),
        ReleaseFinalizer(Reason.STORE_UNAVAILABLE),
    ]
    assert list(found.actions) == actions


def test_a_deletion_that_is_cleaned_releases_the_job() -> None:
    assert deleted(progress=Cleaned()).actions == (ReleaseFinalizer(),)


@pytest.mark.parametrize(("pods", "more"), [(1, ""), (2, " and 1 more"), (3, " and 2 more")])
def test_pods_that_could_not_be_deleted(pods: int, more: str) -> None:
    refusal = Refusal(Problem(Reason.POD_REJECTED, "forbidden"), NOW, NOW)
    refused = [replace(attempt(State.RUNNING, shard=n), stop_refused=refusal) for n in range(pods)]
    o = seen(job(status(Phase.RUNNING)), attempt(State.RUNNING, shard=9), *refused)
    text = f"the Pod {refused[0].name}{more} could not be deleted, the operator is retrying: forbidden"
    assert undeleted(o) == text


# --- sources that cannot be staged -------------------------------------------------------------------------


def unstaged(failed: int) -> Staged:
    failures = tuple(FailedItem(f"{n}.jpg", "IMG_011", "archived") for n in range(failed))
    return Staged(items=9, objects=0, bytes=0, failed=failed, failures=failures)


@pytest.mark.parametrize(
    ("failed", "names"),
    [
        (2, "'0.jpg', '1.jpg'"),
        (3, "'0.jpg', '1.jpg', '2.jpg'"),
        (4, "'0.jpg', '1.jpg', '2.jpg' and 1 more"),
    ],
)
def test_too_many_sources_that_cannot_be_staged(failed: int, names: str) -> None:
    found = too_many_unstaged(unstaged(failed), 9, FailurePolicy(max_failed_items=failed - 1))
    text = (
        f"{failed} of 9 sources cannot be staged, but spec.failurePolicy.maxFailedItems allows only "
        f"{failed - 1}; maxFailedItems: {failed} would process the other {9 - failed}; not staged: {names}; "
        "first failure: IMG_011 archived"
    )
    assert found == Failure(Code.STAGING, Reason.ACCESS_DENIED, text)
    assert too_many_unstaged(unstaged(failed), 9, FailurePolicy(max_failed_items=failed)) is None


def test_a_long_key_does_not_cut_off_the_cause() -> None:
    failures = tuple(FailedItem("k" * 1000, "IMG_010", "it does not exist; upload it") for _ in range(3))
    found = too_many_unstaged(Staged(3, 0, 0, failed=3, failures=failures), 3, FailurePolicy())
    assert found
    assert found.message.endswith("first failure: IMG_010 it does not exist; upload it")
    assert len(found.message) < 1024


def test_no_policy_helps_if_no_source_can_be_staged() -> None:
    found = too_many_unstaged(unstaged(9), 9, FailurePolicy())
    assert found
    assert found.message.startswith(
        "9 of 9 sources cannot be staged, but spec.failurePolicy.maxFailedItems allows only 0; not staged: "
    )


@pytest.mark.parametrize(
    ("failure", "item"),
    [
        (Failure(Code.STAGING, Reason.ACCESS_DENIED, "no"), ItemError(ItemCode.SOURCE_REFUSED, "no")),
        (Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "no"), None),
    ],
)
def test_only_what_is_about_one_source_fails_its_item(failure: Failure, item: ItemError | None) -> None:
    assert item_error(failure) == item


# --- how a run has succeeded -------------------------------------------------------------------------------

NOTHING_DONE = "; no object was staged and no Pod was created"


@pytest.mark.parametrize(
    ("outcome", "items", "text"),
    [
        ("Succeeded", ItemCounts(2), ""),
        (
            "SucceededWithFailures",
            ItemCounts(2, 1, 1),
            "1 of 2 items failed, which spec.failurePolicy allows; the report lists them",
        ),
        ("Validated", ItemCounts(1), f"no problems were found in 1 item{NOTHING_DONE}"),
        (
            "Validated",
            ItemCounts(2, failed=1),
            "1 of 2 sources cannot be staged, which spec.failurePolicy allows; the report lists them"
            f"{NOTHING_DONE}",
        ),
    ],
)
def test_the_message_of_a_success(outcome: str, items: ItemCounts, text: str) -> None:
    assert outcome_text(outcome, items) == text


@pytest.mark.parametrize(
    ("items", "text"),
    [
        (ItemCounts(2, 2), "2 items, 1 output, 5 bytes published"),
        (
            ItemCounts(2, 1, skipped=1),
            "2 items, 1 output, 5 bytes published; 1 item skipped, with outputs that are up to date",
        ),
    ],
)
def test_the_event_of_a_success(items: ItemCounts, text: str) -> None:
    current = msgspec.structs.replace(
        status(Phase.SUCCEEDED, counts=(AttemptCounts(1),)), items=items, outputs=OutputCounts(1, 5)
    )
    run = msgspec.structs.replace(current.run, finished_at=NOW) if current.run else None
    current = msgspec.structs.replace(current, run=run, staging=None)
    for seconds, events in ((3599, 1), (3600, 0)):
        decision = decided(current, spec(retention={"ttlSecondsAfterFinished": 9999}), seconds)
        event = RecordEvent(False, "Succeeded", text, 1)
        assert decision.actions == (*[event] * events, ReleaseFinalizer())
