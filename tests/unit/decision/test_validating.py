"""A validation: what it checks, and how it ends."""

from __future__ import annotations

from fakes.build import KEY, PREFIX, RUN_UID, UID, job, later, seen, spec, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import FailedItem, ItemCounts, error_status
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision
from imagejob_operator.decision.operation import Progress, Validate, Validated
from imagejob_operator.naming.prefixes import report_key

REPORT = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)
OPERATION = Validate(PREFIX, REPORT)
FAILURES = (FailedItem("a.jpg", "IMG_011", "archived"),)


def decided(progress: Progress | None = None) -> Decision:
    wanted = spec(run={"id": "1", "mode": "Validate"}, execution={"stagingDeadlineSeconds": 99})
    of = job(status(Phase.VALIDATING), wanted, guarded=False)
    return decide(seen(of, now=later(1), operation=OPERATION, progress=progress))


def test_a_validation_runs_until_its_deadline() -> None:
    found = decided()
    assert (found.status.at, found.operation, found.requeue_at) == (Phase.VALIDATING, OPERATION, later(99))


def test_a_validation_that_found_no_problem_has_succeeded() -> None:
    found = decided(Validated(3, None, 1, FAILURES))
    made = found.status
    assert made.run
    assert (made.at, made.run.outcome, made.run.finished_at) == (Phase.SUCCEEDED, "Validated", later(1))
    assert (made.report, made.items, made.failures) == (REPORT, ItemCounts(3, failed=1), FAILURES)
    assert made.error is None
    text = (
        "1 of 3 sources cannot be staged, which spec.failurePolicy allows; the report lists them; no object "
        "was staged and no Pod was created"
    )
    assert found.actions == (RecordEvent(False, "Validated", text, 1),)


def test_a_validation_that_found_a_problem_has_failed_with_it() -> None:
    failure = Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, "no such key")
    found = decided(Validated(3, failure, 1, FAILURES))
    made = found.status
    assert made.run
    assert (made.at, made.run.outcome, made.error) == (Phase.FAILED, "", error_status(failure))
    assert (made.report, made.items, made.failures) == (REPORT, ItemCounts(3, failed=1), FAILURES)
    assert found.actions == (RecordEvent(True, "SourceNotFound", "JOB_002 no such key", 1),)
