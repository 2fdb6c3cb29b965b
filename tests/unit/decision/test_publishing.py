"""From staged sources to shards, and from results to published outputs: each decision as a whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.build import KEY, PREFIX, RUN_UID, UID, job, later, seen, spec, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    FailedItem,
    ItemCounts,
    OutputCounts,
    ShardStatus,
    StagingStatus,
    Status,
    error_status,
)
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import (
    Broken,
    ItemResults,
    Progress,
    Publish,
    Published,
    Stage,
    Staged,
    Working,
)
from imagejob_operator.naming.prefixes import report_key

REPORT = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)
FAILURES = (FailedItem("a.jpg", "IMG_001", "no"),)

# --- publishing --------------------------------------------------------------------------------------------

WANTED = spec(
    execution={"activeDeadlineSeconds": 600, "stagingDeadlineSeconds": 60},
    failurePolicy={"maxFailedItems": "50%"},
)
OPERATION = Publish(PREFIX, REPORT, later(600), lost=1, tolerated=2)


def publishing(
    progress: Progress | None = None, seconds: float = 1, operation: Publish = OPERATION, **fields: Any
) -> Decision:
    current = status(Phase.PUBLISHING)
    shards = ShardStatus(2, 1, 1, "0-1=1")
    run = msgspec.structs.replace(current.run, shards=shards) if current.run else None
    current = msgspec.structs.replace(current, **{"run": run, "items": ItemCounts(5), **fields})
    of = job(current, WANTED)
    return decide(seen(of, now=later(seconds), operation=operation, progress=progress))


@pytest.mark.parametrize("progress", [None, Working()])
def test_outputs_are_published_until_the_deadline(progress: Progress | None) -> None:
    found = publishing(progress)
    assert (found.status.at, found.operation, found.requeue_at) == (Phase.PUBLISHING, OPERATION, later(301))
    assert publishing(progress, 599).requeue_at == later(600)


def test_a_run_without_counts_tolerates_no_failure() -> None:
    run = status(Phase.STAGING).run
    found = publishing(operation=Publish(PREFIX, REPORT, later(600)), run=run, items=None)
    assert found.operation == Publish(PREFIX, REPORT, later(600), lost=0, tolerated=0)


AWAY = Failure(Code.PUBLISH, Reason.STORE_UNAVAILABLE, "503")


@pytest.mark.parametrize(("seconds", "requeue"), [(1, 9), (10, 60), (59, 60)])
def test_a_failure_that_may_pass_is_tried_again_until_the_staging_deadline(
    seconds: float, requeue: float
) -> None:
    found = publishing(Broken(AWAY, later(9)), seconds)
    assert (found.operation, found.requeue_at) == (OPERATION, later(requeue))
    late = publishing(Broken(AWAY, later(9)), 60).status
    text = "503 (stopped retrying after spec.execution.stagingDeadlineSeconds (60 s))"
    stopped = Failure(Code.PUBLISH, Reason.STORE_UNAVAILABLE, text)
    assert (late.at, late.error) == (Phase.FAILING, error_status(stopped))


@pytest.mark.parametrize(
    ("progress", "problem"), [(None, ""), (Broken(AWAY, later(9)), "; last problem: 503")]
)
def test_outputs_are_not_published_after_the_deadline(progress: Progress | None, problem: str) -> None:
    found = publishing(progress, 600).status
    text = (
        "the run exceeded spec.execution.activeDeadlineSeconds (600 s) in phase Publishing; raise it or use "
        f"fewer items{problem}"
    )
    assert (found.at, found.error) == (
        Phase.FAILING,
        error_status(Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text)),
    )


RESULTS = ItemResults(ItemCounts(5, 4, 1), FAILURES)


@pytest.mark.parametrize(
    ("results", "items", "failures"),
    [(None, ItemCounts(5), ()), (RESULTS, ItemCounts(5, 4, 1), FAILURES)],
)
def test_a_failure_that_does_not_pass_ends_the_run_with_its_results(
    results: ItemResults | None, items: ItemCounts, failures: tuple[FailedItem, ...]
) -> None:
    failure = Failure(Code.PROCESSING, Reason.ITEMS_FAILED, "1 of 5")
    found = publishing(Broken(failure, results=results)).status
    assert (found.at, found.error) == (Phase.FAILING, error_status(failure))
    assert (found.items, found.failures) == (items, failures)


@pytest.mark.parametrize("cleaned", [True, False])
def test_a_run_whose_outputs_are_published_has_succeeded(cleaned: bool) -> None:
    found = publishing(Published(7, 9, RESULTS, cleaned, "'a.webp'"), 700).status
    assert (found.at, found.report, found.outputs) == (Phase.SUCCEEDED, REPORT, OutputCounts(7, 9))
    assert (found.items, found.failures, found.progress) == (ItemCounts(5, 4, 1), FAILURES, "4/5")
    shown = {c.type: (c.status, c.reason, c.message) for c in found.conditions}
    assert shown["Overwrote"] == ("True", "OtherImageJob", "'a.webp'")
    text = "the staged objects have not been deleted yet; the operator is retrying"
    assert shown["StagingCleaned"] == (("True", "Cleaned", "") if cleaned else ("False", "Deferred", text))


# --- planning the shards -----------------------------------------------------------------------------------


def staging(progress: Staged, **fields: Any) -> Observation:
    of = job(status(Phase.STAGING), spec(**fields))
    return seen(of, now=later(2), operation=Stage(PREFIX), progress=progress)


def planned(progress: Staged, **fields: Any) -> Status:
    found = decide(staging(progress, **fields))
    assert (found.actions, found.operation, found.requeue_at) == ((), None, None)
    return found.status


@pytest.mark.parametrize(
    ("note", "message"), [("", ""), ("a prefix without '/'", "a prefix without '/'")], ids=["plain", "noted"]
)
def test_staged_sources_are_divided_between_pods(note: str, message: str) -> None:
    progress = Staged(items=7, objects=6, bytes=99, skipped=2, failed=1, failures=FAILURES, note=note)
    made = planned(
        progress, execution={"itemsPerPod": 3, "parallelism": 2}, failurePolicy={"maxFailedItems": 1}
    )
    assert made.run
    assert (made.at, made.run.shards) == (Phase.LAUNCHING, ShardStatus(3, attempts="0-1=1"))
    assert (made.items, made.items_per_shard) == (ItemCounts(9, skipped=2), 3)
    assert (made.staging, made.failures) == (StagingStatus(PREFIX, 6, 99), FAILURES)
    staged = made.condition("Staged")
    assert staged
    assert (staged.status, staged.message) == ("True", message)


def test_without_items_to_process_the_run_is_published() -> None:
    made = planned(Staged(items=0, objects=0, bytes=0, skipped=4))
    assert made.run
    assert (made.at, made.run.shards) == (Phase.PUBLISHING, ShardStatus(0))
    assert (made.items, made.progress) == (ItemCounts(4, skipped=4), "4/4")


def test_too_many_sources_that_cannot_be_staged_fail_the_run() -> None:
    failures = (FailedItem("a.jpg", "IMG_010", "no object"),)
    made = planned(Staged(items=7, objects=6, bytes=99, skipped=2, failed=1, failures=failures))
    text = (
        "1 of 9 sources cannot be staged, but spec.failurePolicy.maxFailedItems allows only 0; "
        "maxFailedItems: 1 would process the other 6; not staged: 'a.jpg'; first failure: IMG_010 no object"
    )
    assert (made.at, made.error) == (
        Phase.FAILING,
        error_status(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)),
    )
    assert (made.items, made.failures) == (ItemCounts(9, failed=1, skipped=2), failures)
    assert made.staging == StagingStatus(PREFIX, 6, 99)
    assert made.phase_since == later(2)
