"""The decision keeps its guarantees on every observation of every phase.

The checker itself is tested with decisions that have a planted fault.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, PREFIX
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.api.status import ItemCounts, RunStatus, StagingStatus, error_status
from imagejob_operator.decision.action import DeleteJob, Launch, ReleaseFinalizer, StopAttempt
from imagejob_operator.decision.attempt import State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Count, Stage
from unit.decision.everything import (
    Decide,
    end_in_a_frozen_world,
    faults,
    observations,
    reconciles_until_settled,
)


def report(found: list[tuple[str, str]]) -> str:
    return f"{len(found)} faults, the first: " + "; ".join(f"{name}: {text}" for name, text in found[:5])


PARTS = 13
"""The product is cut in parts so that no single test is slow; together they are all of it.

A prime number, so that each part has all values of each factor: `make mutants` runs only the part `sample`.
"""


@pytest.mark.parametrize("phase", Phase, ids=str)
@pytest.mark.parametrize("part", range(PARTS), ids=lambda part: f"beyond-{part}" if part else "sample")
def test_every_decision_keeps_its_promises(phase: Phase, part: int) -> None:
    found = [
        (name, text)
        for name, o in itertools.islice(observations(phase), part, None, PARTS)
        for text in faults(o, decide)
    ]
    assert not found, report(found)


@pytest.mark.parametrize("phase", Phase, ids=str)
def test_also_after_the_clock_was_set_back(phase: Phase) -> None:
    found = [
        (name, text)
        for name, o in itertools.islice(observations(phase), 0, None, 11)
        for text in faults(replace(o, now=o.now - timedelta(hours=1)), decide)
    ]
    assert not found, report(found)


@pytest.mark.parametrize("step", [29, 7], ids=["sample", "beyond"])
@pytest.mark.parametrize("phase", Phase, ids=str)
def test_without_changes_the_writes_end(phase: Phase, step: int) -> None:
    for name, o in itertools.islice(observations(phase), 0, None, step):
        try:
            reconciles_until_settled(o, decide)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


@pytest.mark.parametrize("step", [163, 41], ids=["sample", "beyond"])
@pytest.mark.parametrize("phase", [p for p in Phase if p not in TERMINAL], ids=str)
def test_a_job_whose_world_never_moves_again_still_ends(phase: Phase, step: int) -> None:
    longest = NOW + timedelta(seconds=90000) + timedelta(seconds=3600 + 60 + 60)
    longest += timedelta(seconds=86400)  # the queue's own deadline
    for name, o in itertools.islice(observations(phase), 0, None, step):
        gone = o.job.deleted_at is not None and not o.job.guarded
        if not isinstance(o.job.spec, InvalidSpec) and o.job.spec.suspend and not o.job.deleted_at:
            continue  # it rests for as long as its user wants
        if gone or (phase is Phase.PENDING and o.job.deleted_at):
            continue
        try:
            _, when = end_in_a_frozen_world(o, decide)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None
        assert when <= longest, name


# --- planted faults ----------------------------------------------------------------------------------------

Change = Callable[[Observation, Decision], Decision]


def after(change: Change) -> Decide:
    """A decision that is right but for one change."""
    return lambda o: change(o, decide(o))


def patient(o: Observation) -> Decision:
    """Forgets the staging deadline."""
    if isinstance(o.job.spec, InvalidSpec):
        return decide(o)
    execution = msgspec.structs.replace(o.job.spec.execution, staging_deadline_seconds=10**6)
    generous = replace(o.job, spec=msgspec.structs.replace(o.job.spec, execution=execution))
    return decide(replace(o, job=generous))


def unpunctual(o: Observation) -> Decision:
    """Forgets the start deadline and the grace."""
    if isinstance(o.job.spec, InvalidSpec):
        return decide(o)
    execution = msgspec.structs.replace(o.job.spec.execution, start_deadline_seconds=10**6)
    generous = replace(o.job, spec=msgspec.structs.replace(o.job.spec, execution=execution))
    return decide(replace(o, job=generous))


def queueing(o: Observation) -> Decision:
    """Forgets the queue's deadline."""
    if isinstance(o.job.spec, InvalidSpec):
        return decide(o)
    execution = msgspec.structs.replace(o.job.spec.execution, queue_deadline_seconds=10**6)
    generous = replace(o.job, spec=msgspec.structs.replace(o.job.spec, execution=execution))
    return decide(replace(o, job=generous))


def kept(o: Observation) -> Decision:
    """Never deletes a Pod that outlasts its processor."""
    return decide(replace(o, attempts=tuple(replace(a, lingers=False) for a in o.attempts)))


def hasty(o: Observation) -> Decision:
    """Deletes a Pod before its failure is recorded."""
    d = decide(o)
    return replace(d, actions=(*d.actions, *(StopAttempt(a) for a in o.attempts if a.lingers)))


def raising(o: Observation) -> Decision:
    if any(a.state is State.FAILED and a.problem is None for a in o.attempts):
        raise KeyError("problem")
    return decide(o)


def deaf(o: Observation) -> Decision:
    """Ignores spec.suspend and spec.cancelRunID."""
    if isinstance(o.job.spec, InvalidSpec):
        return decide(o)
    unasked = msgspec.structs.replace(o.job.spec, suspend=False, cancel_run_id=None)
    return decide(replace(o, job=replace(o.job, spec=unasked)))


def in_epoch(o: Observation, d: Decision, epoch: int) -> RunStatus | None:
    return d.status.run and msgspec.structs.replace(d.status.run, epoch=epoch)


def endless(o: Observation, d: Decision, **fields: Any) -> Decision:
    """With other times of the run's end."""
    run = d.status.run and msgspec.structs.replace(d.status.run, **fields)
    return replace(d, status=msgspec.structs.replace(d.status, run=run))


OTHER = error_status(Failure(Code.CREATION, Reason.INVALID_SPEC, "a later cause"))


def tries_for_ever(o: Observation) -> Decision:
    """Forgets since when the last try has been going on."""
    return decide(replace(o, operation_since=o.now))


PLANTED: dict[str, tuple[Decide, Phase, str]] = {
    "no-staging-deadline": (patient, Phase.STAGING, "missed the staging deadline"),
    "no-end-of-the-last-try": (tries_for_ever, Phase.STAGING, "missed the staging deadline"),
    "no-start-deadline": (unpunctual, Phase.LAUNCHING, "missed the start deadline"),
    "no-queue-deadline": (queueing, Phase.LAUNCHING, "missed the queue deadline"),
    "pods-outlast": (kept, Phase.RUNNING, "lets a Pod outlast its processor"),
    "unrecorded": (hasty, Phase.RUNNING, "deletes a Pod whose failure is not recorded"),
    "no-look-again": (
        after(lambda o, d: replace(d, requeue_at=None)),
        Phase.STAGING,
        "waits without a requeue",
    ),
    "hot-loop": (
        after(lambda o, d: replace(d, requeue_at=o.now if d.requeue_at else None)),
        Phase.STAGING,
        "requeues at once",
    ),
    "raises": (raising, Phase.RUNNING, "raised KeyError"),
    "illegal-move": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, phase="Running"))),
        Phase.STAGING,
        "invalid phase transition from Staging to Running",
    ),
    "reopens": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, phase="Pending"))),
        Phase.SUCCEEDED,
        "within one run",
    ),
    "replaces-cause": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, error=OTHER))),
        Phase.FAILING,
        "replaces the first cause",
    ),
    "launches-early": (
        after(lambda o, d: replace(d, actions=(*d.actions, Launch(PREFIX, 0, 1)))),
        Phase.STAGING,
        "launches in Staging",
    ),
    "launches-unrecorded": (
        after(lambda o, d: replace(d, actions=(*d.actions, Launch(PREFIX, 0, 9)))),
        Phase.RUNNING,
        "not recorded",
    ),
    "deletes": (
        after(lambda o, d: replace(d, actions=(*d.actions, DeleteJob()))),
        Phase.FAILED,
        "to be kept",
    ),
    "no-finalizer": (
        after(lambda o, d: replace(d, actions=())),
        Phase.PENDING,
        "stages without a finalizer",
    ),
    "lets-go-early": (
        after(lambda o, d: replace(d, actions=(*d.actions, ReleaseFinalizer()))),
        Phase.RUNNING,
        "releases the finalizer",
    ),
    "holds-deletion": (
        after(lambda o, d: replace(d, actions=())),
        Phase.STAGING,
        "holds a deletion",
    ),
    "deletes-unseen": (
        after(lambda o, d: replace(d, status=o.job.status)),
        Phase.RUNNING,
        "does not show what a deletion waits for",
    ),
    "undoes-too-soon": (
        after(lambda o, d: replace(d, operation=Stage(PREFIX))),
        Phase.STAGING,
        "before the intent",
    ),
    "same-place": (
        after(
            lambda o, d: replace(d, status=msgspec.structs.replace(d.status, staging=o.job.status.staging))
        ),
        Phase.SUSPENDED,
        "where something was staged before",
    ),
    "same-epoch": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, run=in_epoch(o, d, 5)))),
        Phase.RUNNING,
        "the epoch became 5",
    ),
    "deaf-to-suspend": (deaf, Phase.RUNNING, "continues though it is suspended"),
    "deaf-to-cancel": (deaf, Phase.STAGING, "continues a run that was cancelled"),
    "rests-for-ever": (
        after(lambda o, d: replace(d, status=o.job.status, requeue_at=o.now + timedelta(minutes=5))),
        Phase.SUSPENDED,
        "stays suspended for longer",
    ),
    "forgets": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, history=()))),
        Phase.FAILED,
        "drops the run that has ended",
    ),
    "hides-failures": (
        after(
            lambda o, d: replace(
                d,
                status=msgspec.structs.replace(
                    d.status, run=d.status.run and msgspec.structs.replace(d.status.run, outcome="")
                ),
            )
        ),
        Phase.PUBLISHING,
        "and the outcome ''",
    ),
    "forgets-results": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, failures=()))),
        Phase.PUBLISHING,
        "does not show the results",
    ),
    "hides-what-ran": (
        after(
            lambda o, d: replace(
                d,
                status=msgspec.structs.replace(
                    d.status, conditions=tuple(c for c in d.status.conditions if c.type != "Launched")
                ),
            )
        ),
        Phase.LAUNCHING,
        "says nothing, though a Pod ran",
    ),
    "no-end": (
        after(lambda o, d: endless(o, d, finished_at=None)),
        Phase.FAILING,
        "does not record when the run ended",
    ),
    "no-duration": (
        after(lambda o, d: endless(o, d, duration="")),
        Phase.PUBLISHING,
        "does not record when the run ended",
    ),
    "stages-what-is-validated": (
        after(
            lambda o, d: replace(d, status=msgspec.structs.replace(d.status, staging=StagingStatus(PREFIX)))
        ),
        Phase.VALIDATING,
        "stages while it validates",
    ),
    "runs-what-is-validated": (
        after(lambda o, d: replace(d, status=msgspec.structs.replace(d.status, phase="Staging"))),
        Phase.PENDING,
        "against the mode",
    ),
    "counts-early": (
        after(lambda o, d: replace(d, operation=Count(PREFIX, ((0, 1),), ItemCounts(total=2), o.now))),
        Phase.RUNNING,
        "reads the progress too early",
    ),
    "counts-back": (
        after(
            lambda o, d: replace(
                d, status=msgspec.structs.replace(d.status, items=ItemCounts(total=2, succeeded=3))
            )
        ),
        Phase.RUNNING,
        "the counts became",
    ),
    "unreadable": (
        after(
            lambda o, d: replace(
                d, status=msgspec.structs.replace(d.status, run=RunStatus(number=1, queued_seconds=-1))
            )
        ),
        Phase.LAUNCHING,
        "cannot be read",
    ),
    "ends-for-the-new-generation": (
        after(
            lambda o, d: replace(
                d, status=msgspec.structs.replace(d.status, observed_generation=o.job.generation)
            )
        ),
        Phase.CANCELLING,
        "is based on generation 2 instead of 1",
    ),
    "other-operation": (after(lambda o, d: replace(d, operation=Stage(PREFIX))), Phase.RUNNING, "in Running"),
}


@pytest.mark.parametrize(("planted", "phase", "words"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found(planted: Decide, phase: Phase, words: str) -> None:
    for _, o in observations(phase):
        if any(words in text for text in faults(o, planted)):
            return
    raise AssertionError("the checker missed a planted fault")


def test_a_frozen_world_that_is_waited_for_is_found() -> None:
    def forgetful(o: Observation) -> Decision:
        decision = decide(o)
        return replace(decision, requeue_at=None, status=o.job.status) if o.now > NOW else decision

    o = next(o for name, o in observations(Phase.STAGING) if "noteworthy" in name and "same-run" in name)
    with pytest.raises(AssertionError, match="waits forever in Staging"):
        end_in_a_frozen_world(replace(o, operation=Stage(PREFIX)), forgetful)


def test_all_phases_are_enumerated_richly() -> None:
    assert {phase: len(observations(phase)) for phase in Phase if len(observations(phase)) <= 4000} == {}
