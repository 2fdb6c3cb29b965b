"""A deadline names the last error, also while the effort is just being tried again."""

from __future__ import annotations

import pytest

from imagejob_operator.core.decide import decide
from imagejob_operator.core.effort import Broken, Progress, Stage, Working
from imagejob_operator.core.failure import Code, Failure, Reason
from imagejob_operator.core.phase import Phase
from unit.core.build import PREFIX, job, later, seen, spec, status

AWAY = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "the store cannot be reached")


@pytest.mark.parametrize("progress", [Broken(AWAY, later(10)), Working(AWAY)])
def test_staging_deadline_with_a_store_that_is_away(progress: Progress) -> None:
    hurried = job(status(Phase.STAGING), spec(execution={"stagingDeadlineSeconds": 5}))
    decision = decide(seen(hurried, now=later(5), effort=Stage(PREFIX), progress=progress))
    error = decision.status.error
    assert error is not None
    assert (error.code, error.reason) == ("JOB_002", "StoreUnavailable")
    assert error.message.startswith("the store cannot be reached (given up after")


def test_staging_deadline_without_any_error() -> None:
    hurried = job(status(Phase.STAGING), spec(execution={"stagingDeadlineSeconds": 5}))
    decision = decide(seen(hurried, now=later(5), effort=Stage(PREFIX), progress=Working()))
    error = decision.status.error
    assert error is not None
    assert (error.code, error.reason) == ("JOB_002", "StagingDeadlineExceeded")


def test_trying_again_changes_nothing_that_is_said() -> None:
    waiting = job(status(Phase.STAGING))
    resting = decide(seen(waiting, now=later(1), effort=Stage(PREFIX), progress=Broken(AWAY, later(2))))
    again = decide(seen(waiting, now=later(1), effort=Stage(PREFIX), progress=Working(AWAY)))
    assert again.status == resting.status
