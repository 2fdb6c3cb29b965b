"""What is kept of a run after its end."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.build import KEY, NOW, RUN_UID, UID, attempt, job, later, seen, spec, status
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import FailedItem, Status
from imagejob_operator.decision.action import DeleteJob, StopAttempt
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.naming.prefixes import report_key

CRASHED = Problem(Reason.CRASHED, "exit code 1")


REPORT = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)


def ended(phase: Phase = Phase.FAILED, **fields: Any) -> Status:
    current = status(phase, counts=(AttemptCounts(2, 1),))
    assert current.run
    run = msgspec.structs.replace(current.run, finished_at=NOW)
    return msgspec.structs.replace(current, run=run, staging=None, **fields)


KEPT = spec(retention={"ttlSecondsAfterFinished": 60, "policy": "Compact"})


def test_after_its_retention_a_run_is_short() -> None:
    current = ended(failures=(FailedItem("a.jpg", "IMG_001", "no"),), report=REPORT)
    before = decide(seen(job(current, KEPT, guarded=False), now=later(59)))
    assert before.status.failures == current.failures
    assert before.requeue_at == later(60)
    after = decide(seen(job(current, KEPT, guarded=False), now=later(60)))
    assert after.status.failures == ()
    assert after.status.run
    assert after.status.run.shards
    assert (after.status.run.shards.total, after.status.run.shards.attempts) == (1, "")
    assert after.status.report == REPORT
    assert after.requeue_at is None


def test_or_it_is_deleted() -> None:
    deleted = spec(retention={"ttlSecondsAfterFinished": 60, "policy": "Delete"})
    assert decide(seen(job(ended(), deleted, guarded=False), now=later(59))).actions == ()
    assert decide(seen(job(ended(), deleted, guarded=False), now=later(60))).actions == (DeleteJob(),)


def stopped(keep: str, phase: Phase, *attempts: Attempt) -> list[Attempt]:
    kept = spec(retention={"pods": keep})
    actions = decide(seen(job(ended(phase), kept, guarded=False), *attempts)).actions
    return [action.attempt for action in actions if isinstance(action, StopAttempt)]


FIRST, SECOND = (attempt(State.FAILED, CRASHED, number=number) for number in (1, 2))
DONE, RUNS = attempt(State.SUCCEEDED, shard=1), attempt(State.RUNNING, shard=2)


@pytest.mark.parametrize(
    ("keep", "phase", "gone"),
    [
        ("Never", Phase.FAILED, [SECOND, FIRST, DONE, RUNS]),
        ("Always", Phase.FAILED, [RUNS]),
        ("Always", Phase.SUCCEEDED, [RUNS]),
        ("OnFailure", Phase.FAILED, [FIRST, DONE, RUNS]),
        ("OnFailure", Phase.SUCCEEDED, [SECOND, FIRST, DONE, RUNS]),
    ],
)
def test_pods_that_are_kept_for_their_logs(keep: str, phase: Phase, gone: list[Attempt]) -> None:
    assert stopped(keep, phase, SECOND, FIRST, DONE, RUNS) == gone
