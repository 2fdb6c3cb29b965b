"""What users do to an active run, in each phase: delete, suspend, cancel or supersede it."""

from __future__ import annotations

from datetime import timedelta

from chaos.living import Setup
from chaos.scenario import Scenario, Step
from chaos.steps import (
    Do,
    delete,
    edit,
    finished,
    gone,
    never_compensated,
    never_published,
    never_staged,
    never_validated,
    nothing,
    phase,
    rested,
    runs_before,
    wait,
)
from fakes.memory_owners import FOLDER
from fakes.scripts import well
from imagejob_operator.decision.observation import Policy

CANCEL = edit(cancelRunID="1")
SUSPEND = edit(suspend=True)
GO_ON = edit(suspend=False)
NEXT = edit(run={"id": "2"})
VALIDATE = {"run": {"id": "1", "mode": "Validate"}}
NO_A = well(failing=["uploads/a.jpg"])

SLOW = well(start=60, run=60)
"""Pods that do not go on by themselves before what somebody does has been seen, whatever goes wrong."""

PATIENT = Setup(policy=Policy(FOLDER, cleaning_budget=timedelta(minutes=5)))
"""A next run does not wait for a report that was put off, and a clock that is wrong does not put one off."""

FORWARD = ("Staging", "Launching", "Running", "Publishing")


def _held(name: str) -> Do:
    """A run in Staging or Publishing does not proceed before the user acts, with any fault."""
    return {"Staging": never_staged, "Publishing": never_published}.get(name, nothing)


def deleted_in(name: str) -> Scenario:
    return Scenario(
        f"deleted in {name}",
        steps=[Step(phase(name), delete), wait(gone)],
        prepare=_held(name),
        script=SLOW,
        some_outputs=name == "Publishing",
    )


def suspended_in(name: str) -> Scenario:
    return Scenario(
        f"suspended in {name}, and gone on",
        steps=[Step(phase(name), SUSPEND), Step(rested, GO_ON)],
        prepare=_held(name),
        script=SLOW,
    )


def cancelled_in(name: str) -> Scenario:
    return Scenario(
        f"cancelled in {name}",
        steps=[Step(phase(name), CANCEL)],
        prepare=_held(name),
        script=SLOW,
        some_outputs=name == "Publishing",
    )


def superseded_in(name: str) -> Scenario:
    return Scenario(
        f"superseded in {name}",
        steps=[Step(phase(name), NEXT), wait(finished("Succeeded"))],
        prepare=_held(name),
        script=SLOW,
    )


INTERVENTIONS: tuple[Scenario, ...] = (
    *(deleted_in(name) for name in (*FORWARD, "Succeeded")),
    Scenario(
        "deleted in Validating",
        VALIDATE,
        steps=[Step(phase("Validating"), delete), wait(gone)],
        prepare=never_validated,
    ),
    Scenario(
        "deleted in Failing",
        script=NO_A,
        steps=[Step(phase("Failing"), delete), wait(gone)],
        prepare=never_compensated,
    ),
    Scenario("deleted in Failed", script=NO_A, steps=[Step(finished("Failed"), delete), wait(gone)]),
    Scenario(
        "deleted in Cancelling",
        script=SLOW,
        steps=[Step(phase("Running"), CANCEL), Step(phase("Cancelling"), delete), wait(gone)],
        prepare=never_compensated,
    ),
    Scenario(
        "deleted in Cancelled",
        script=SLOW,
        steps=[Step(phase("Running"), CANCEL), Step(finished("Cancelled"), delete), wait(gone)],
    ),
    Scenario(
        "deleted in Suspended",
        script=SLOW,
        steps=[Step(phase("Running"), SUSPEND), Step(phase("Suspended"), delete), wait(gone)],
    ),
    *(suspended_in(name) for name in FORWARD),
    Scenario("suspended before it began, and gone on", {"suspend": True}, steps=[Step(rested, GO_ON)]),
    Scenario(
        "suspended in Validating, and gone on",
        VALIDATE,
        steps=[Step(phase("Validating"), SUSPEND), Step(rested, GO_ON)],
        prepare=never_validated,
    ),
    Scenario("suspended in Failing", script=NO_A, steps=[Step(phase("Failing"), SUSPEND)]),
    *(cancelled_in(name) for name in FORWARD),
    Scenario("cancelled before it began", {"cancelRunID": "1"}),
    Scenario(
        "cancelled in Validating",
        VALIDATE,
        steps=[Step(phase("Validating"), CANCEL)],
        prepare=never_validated,
    ),
    Scenario("cancelled in Failing", script=NO_A, steps=[Step(phase("Failing"), CANCEL)]),
    Scenario(
        "cancelled in Suspended", script=SLOW, steps=[Step(phase("Running"), SUSPEND), Step(rested, CANCEL)]
    ),
    *(superseded_in(name) for name in FORWARD),
    Scenario(
        "superseded in Suspended, and gone on",
        script=SLOW,
        steps=[
            Step(phase("Running"), SUSPEND),
            Step(rested, edit(run={"id": "2"}, suspend=False)),
            wait(finished("Succeeded")),
        ],
    ),
    Scenario(
        "superseded in Failing",
        {"failurePolicy": {"maxFailedItems": 0}},
        NO_A,
        steps=[Step(phase("Failing"), NEXT), wait(runs_before(1)), wait(finished("Failed"))],
        setup=PATIENT,
    ),
)
