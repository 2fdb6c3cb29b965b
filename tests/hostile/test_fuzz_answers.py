"""Whatever the API server answers, a job ends with a code that fits, or waits within its deadlines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fakes.memory_cluster import Script
from fakes.scripts import CRASHED, badly, well
from fakes.world import KEY, World
from hostile import generators_answers
from hostile.generators_answers import ACCOUNT, FOR_EVER, JUDGMENTS, QUOTA, Fault, faults
from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.api.errors import Code, Reason
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.decision.attempt import Problem

LIVES: dict[str, tuple[dict[str, Any], Script, set[str]]] = {
    # What a job comes to by itself, with any answers to calls that hold up nothing.
    "succeeds": ({}, well(), {""}),
    "fails": ({"execution": {"itemsPerPod": 50}}, badly(CRASHED), {"JOB_005/Crashed"}),
    "is cancelled": ({}, well(run=100_000), {"JOB_008/Cancelled"}),
    "is validated": ({"run": {"id": "1", "mode": "Validate"}}, well(), {""}),
    "is invalid": ({"renditions": []}, well(), {"JOB_001/InvalidSpec"}),
    "is deleted": ({}, well(run=100_000), {""}),
}
PLACES = {
    "add_finalizer": Code.CREATION,
    "namespace": Code.CREATION,
    **dict.fromkeys(("launch", "deliver", "rehearse"), Code.LAUNCH),
}
"""The code of a run that ends for the answers to a call; those to other calls end nothing."""
WAITED_FOR = {"JOB_003/StartDeadlineExceeded", "JOB_003/QuotaExceeded", "JOB_003/ConfigError"}
"""The errors of a run whose Pods are refused until a deadline."""
UNREAD = {
    "JOB_002/StagingDeadlineExceeded",
    "JOB_003/StartDeadlineExceeded",
    "JOB_006/DeadlineExceeded",
    "JOB_007/StoreUnavailable",
}
"""The errors of a run whose whole spec cannot be read."""
LONGEST = 4 * 3600.0
"""Seconds that are longer than all deadlines of these jobs together."""
BLOCKED = 300.0
"""Seconds after which a job that cannot end is not followed further; conflicts are retried twice a second."""
INVALID = ApiError(422, "Invalid", "spec: no")
INVALID.causes = ("FieldValueInvalid",)


def fitting(life: str, drawn: Sequence[Fault]) -> set[str]:
    """The errors that the job may have, each as `code/reason`; "" for none."""
    fits = set(LIVES[life][2])
    if life == "is cancelled":
        fits.add("")
    for fault in drawn:
        code, status, forever = PLACES.get(fault.call), fault.answer.status, fault.times == FOR_EVER
        if code is Code.LAUNCH:
            # A validation does not wait for a quota or an account.
            if fault.judges:
                fits.add("JOB_003/PodRejected")
            elif forever or (life == "is validated" and fault.answer.message in (QUOTA, ACCOUNT)):
                fits |= WAITED_FOR
        elif fault.call == "add_finalizer" and status == 422 and "FieldValueInvalid" in fault.answer.causes:
            fits.add("JOB_001/InvalidSpec")
        elif fault.call == "whole" and forever:
            fits |= UNREAD
        elif code and forever:
            fits.add("JOB_001/ClusterRefused")
    if any(f.call in PLACES and f.times == FOR_EVER for f in drawn):
        # Of two faults, the first may use up the time that the run has.
        fits.add("JOB_006/DeadlineExceeded")
    return fits


def blocked(fault: Fault) -> bool:
    """Whether the API server takes no status, or keeps the job although the operator has let it go."""
    return fault.call in ("write_status", "remove_finalizer") and fault.times == FOR_EVER


async def lives(life: str, drawn: Sequence[Fault]) -> World:
    spec, script, _ = LIVES[life]
    world = World(script, selector={"admitted": "true"})
    world.cluster.namespaces["shop"] = {"admitted": "true"}
    for fault in drawn:
        fault.install(world)
    world.create(**spec)
    longest = BLOCKED if any(blocked(fault) for fault in drawn) else LONGEST
    begun = world.clock()

    def over() -> bool:
        job = world.cluster.job(KEY)
        late = (world.clock() - begun).total_seconds() > longest
        return job is None or job.status.at in TERMINAL or late

    def started() -> bool:
        return over() or world.job.status.phase == "Running"

    if life in ("is cancelled", "is deleted"):
        await world.run(until=started)
        if world.cluster.job(KEY):
            if life == "is deleted":
                world.cluster.user_deletes(KEY)
            else:
                world.cluster.edit(KEY, cancelRunID="1")
    await world.run(until=over)
    await world.operator.operations.stop()
    return world


def ends_with_a_code_that_fits(life: str, drawn: Sequence[Fault]) -> None:
    """The property."""
    world = asyncio.run(lives(life, drawn))
    job = world.cluster.job(KEY)
    if job is None:
        assert life == "is deleted"
        return
    assert job.status.at in TERMINAL or any(blocked(fault) for fault in drawn), world.where()
    fits = fitting(life, drawn) | ({""} if any(blocked(fault) for fault in drawn) else set())
    assert world.error() in fits, f"{world.where()} of {drawn}"


@given(st.sampled_from(sorted(LIVES)), st.lists(faults(), min_size=1, max_size=2))
@example("succeeds", [Fault("launch", ApiError(401, "Unauthorized", "Unauthorized"), 0, 3)])
@example("succeeds", [Fault("add_finalizer", ApiError(403, "Forbidden", "forbidden"), 0, FOR_EVER)])
@example("succeeds", [Fault("add_finalizer", INVALID, 0, FOR_EVER)])
@example("fails", [Fault("add_finalizer", ApiError(400, "", ""), 0, 5)])
@example("succeeds", [Fault("announce", ApiError(429, "TooManyRequests", "busy"), 0, FOR_EVER)])
@example("fails", [Fault("write_status", ApiError(409, "Conflict", ""), 0, FOR_EVER)])
@example(
    "fails",
    [Fault(call, ApiError(0, "", JUDGMENTS[0], 1), 0, FOR_EVER) for call in ("launch", "write_status")],
)
@example("is deleted", [Fault("stop", ApiError(403, "Forbidden", "denied"), 0, FOR_EVER)])
def test_a_job_ends_with_a_code_that_fits(life: str, drawn: list[Fault]) -> None:
    """The API server answers anything, to any call, at any step."""
    ends_with_a_code_that_fits(life, drawn)


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every 4xx were a verdict on the Pod, as it was once, this fuzzer would say so."""

    def hasty(error: ApiError) -> Problem:
        return Problem(Reason.POD_REJECTED, error.message, certain=400 <= error.status < 500)

    monkeypatch.setattr(generators_answers, "refusal", hasty)

    @given(st.lists(faults(), min_size=1, max_size=2))
    @example([Fault("launch", ApiError(401, "Unauthorized", "Unauthorized"), 0, 1)])
    def search(drawn: list[Fault]) -> None:
        ends_with_a_code_that_fits("succeeds", drawn)

    with pytest.raises(AssertionError, match="JOB_003"):
        search()
