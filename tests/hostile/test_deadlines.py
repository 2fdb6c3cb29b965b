"""What ends the operator must not end it forever: a deadline does not start again with each process."""

from __future__ import annotations

from datetime import timedelta

from fakes.build import job, later, seen, status
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.operation import Clean, Working


def test_a_cleaning_that_ends_each_process_still_ends() -> None:
    """A process dies five seconds after it began to clean, and the next one begins: the job still ends."""
    failing = job(status(Phase.FAILING))
    first = decide(seen(failing, now=later(1)))
    assert isinstance(first.operation, Clean)
    for seconds in range(6, 3 * 3600, 6):
        started = later(seconds)
        decision = decide(
            seen(
                failing,
                now=started + timedelta(seconds=5),
                operation=first.operation,
                progress=Working(),
                operation_since=started,
            )
        )
        if decision.status.at in TERMINAL:
            assert timedelta(hours=1) < started - later(0) < timedelta(hours=2)
            return
    raise AssertionError("the job is cleaned forever")
