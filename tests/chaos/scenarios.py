"""What the operator is asked to do while it is killed: each a few lines."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaos.arena import KEY, Arena, Scenario, Step
from chaos.living import Setup
from fakes.scripts import CRASHED, DISRUPTED, badly, in_turn, never_running, well
from imagejob_operator.core.api import STAGING_ROOT
from imagejob_operator.core.attempt import Problem
from imagejob_operator.core.failure import Reason
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable

When = Callable[[Arena], bool]


def phase(*names: str) -> When:
    """When the job is in one of these phases."""
    return lambda arena: arena.job is not None and arena.job.status.phase in names


def epoch(number: int) -> When:
    """When the run is staged for the n-th time."""
    return lambda arena: bool(arena.job and arena.job.status.run and arena.job.status.run.epoch == number)


def clean(arena: Arena) -> bool:
    """When the job says that its staging is empty."""
    said = arena.job.status.condition("StagingCleaned") if arena.job else None
    return said is not None and said.status == "True"


def edit(**fields: Any) -> Callable[[Arena], object]:
    return lambda arena: arena.cluster.edit(KEY, **fields)


def delete(arena: Arena) -> None:
    arena.cluster.user_deletes(KEY)


def half_staged(arena: Arena) -> bool:
    """When something is staged, and not all."""
    staged = arena.store.keys(f"{STAGING_ROOT}/")
    return phase("Staging")(arena) and bool(staged)


def gone(arena: Arena) -> bool:
    return arena.job is None


def nothing(arena: Arena) -> None:
    """Only wait."""


def deleted_in(name: str) -> Scenario:
    return Scenario(
        f"deleted in {name}",
        steps=[Step(half_staged if name == "Staging" else phase(name), delete), Step(gone, nothing)],
        some_outputs=name == "Publishing",
    )


def suspended_in(name: str) -> Scenario:
    return Scenario(
        f"suspended in {name}, and gone on",
        steps=[
            Step(half_staged if name == "Staging" else phase(name), edit(suspend=True)),
            Step(lambda arena: phase("Suspended")(arena) and clean(arena), edit(suspend=False)),
        ],
    )


def refuse(problem: Problem, *shards: int) -> Callable[[Arena], object]:
    return lambda arena: arena.cluster.refusals.update(dict.fromkeys(shards, problem))


def collected(arena: Arena) -> None:
    """Somebody removes a Pod that has ended."""
    first = next(a for _, a in arena.cluster.attempts() if not a.live)
    arena.cluster.take_away(KEY.namespace, first.name)


QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota: none")
REJECTED = Problem(Reason.POD_REJECTED, "denied by a webhook", certain=True)
IMAGE = Problem(Reason.IMAGE_PULL_FAILED, "no such image")
PHASES = ("Staging", "Launching", "Running", "Publishing")

SCENARIOS: tuple[Scenario, ...] = (
    Scenario("success"),
    Scenario("success in one Pod", {"execution": {"itemsPerPod": 50}}),
    Scenario("success, one Pod at a time", {"execution": {"itemsPerPod": 1, "parallelism": 1}}),
    Scenario("an item fails", script=well(failing=["uploads/a.jpg"])),
    Scenario(
        "an item fails and may", {"failurePolicy": {"maxFailedItems": 1}}, well(failing=["uploads/a.jpg"])
    ),
    Scenario("validated only", {"run": {"id": "1", "mode": "Validate"}}),
    Scenario("sources that are read where they lie", {"staging": {"mode": "Reference"}}),
    Scenario("nothing may be replaced", {"destination": {"prefix": "catalog/", "overwrite": "Never"}}),
    Scenario("published by the Pods", {"destination": {"prefix": "catalog/", "publish": "Direct"}}),
    Scenario(
        "what was published is taken back",
        {"destination": {"prefix": "catalog/", "onFailure": "Delete"}, "execution": {"itemsPerPod": 1}},
        prepare=lambda arena: arena.store.hooks.fail(
            StoreDenied("AccessDenied"), "copy", about="catalog/uploads/b"
        ),
    ),
    Scenario("sources by URL", {"source": {"urls": [{"url": "https://example.com/a.jpg"}]}}),
    Scenario("a source is missing", {"source": {"keys": ["uploads/a.jpg", "uploads/none.jpg"]}}),
    Scenario("two outputs with one key", {"destination": {"prefix": "catalog/", "keyTemplate": "x.{ext}"}}),
    Scenario("a Pod is refused for good", prepare=refuse(REJECTED, 1)),
    Scenario(
        "a Pod is refused by a quota",
        {"execution": {"startDeadlineSeconds": 30}},
        prepare=refuse(QUOTA, 0, 1),
    ),
    Scenario("the image cannot be pulled", {"execution": {"startDeadlineSeconds": 60}}, never_running(IMAGE)),
    Scenario("a Pod crashes once", {"execution": {"itemsPerPod": 50}}, in_turn(badly(CRASHED), well())),
    Scenario("every Pod crashes", {"execution": {"itemsPerPod": 50, "retriesPerShard": 1}}, badly(CRASHED)),
    Scenario("a Pod is drained", {"execution": {"itemsPerPod": 50}}, in_turn(badly(DISRUPTED), well())),
    Scenario(
        "a crashed Pod is removed by somebody",
        {"execution": {"itemsPerPod": 50}},
        in_turn(badly(CRASHED), well(start=3, run=5)),
        steps=[Step(lambda arena: len(arena.launched) == 2, collected)],
    ),
    Scenario("the deadline passes", {"execution": {"activeDeadlineSeconds": 30}}, never_running(None)),
    *(deleted_in(name) for name in (*PHASES, "Succeeded")),
    Scenario(
        "deleted in Failing",
        script=well(failing=["uploads/a.jpg"]),
        steps=[Step(phase("Failing"), delete), Step(gone, nothing)],
    ),
    *(suspended_in(name) for name in PHASES),
    Scenario("cancelled", steps=[Step(phase("Running"), edit(cancelRunID="1"))]),
    Scenario(
        "superseded",
        script=well(start=5),
        steps=[Step(phase("Launching"), edit(run={"id": "2"})), Step(phase("Succeeded"), nothing)],
    ),
    Scenario(
        "run again",
        steps=[
            Step(lambda arena: phase("Succeeded")(arena) and arena.ended(), edit(run={"id": "2"})),
            Step(lambda arena: bool(arena.job and len(arena.job.status.history) == 1), nothing),
        ],
    ),
    Scenario(
        "run again, the failed items",
        {"failurePolicy": {"maxFailedItems": 1}},
        well(failing=["uploads/a.jpg"]),
        steps=[
            Step(
                lambda arena: phase("Succeeded")(arena) and arena.ended(),
                edit(run={"id": "2", "items": "Failed"}),
            ),
            Step(lambda arena: bool(arena.job and len(arena.job.status.history) == 1), nothing),
        ],
    ),
    Scenario(
        "kept for no time",
        {"retention": {"ttlSecondsAfterFinished": 0, "policy": "Delete"}},
        steps=[Step(gone, nothing)],
    ),
)


def no_manifest_for(seconds: float) -> Callable[[Arena], object]:
    """The store takes all but manifests for so long."""

    def prepare(arena: Arena) -> None:
        async def refuse(operation: str, about: str, done: bool) -> None:
            if not done and operation == "put" and about.endswith("manifest.json") and arena.now < seconds:
                raise StoreUnavailable("no answer")

        arena.store.hooks.install(refuse)

    return prepare


LONG: tuple[Scenario, ...] = (
    Scenario(
        "a sweep while the staging waits",
        {"execution": {"stagingDeadlineSeconds": 7200, "activeDeadlineSeconds": 14400}},
        prepare=no_manifest_for(5400),
        setup=Setup(sweeps=True),
    ),
)
"""Hours of the world, with so many requests that only some of their crash points are tried."""

BY_NAME = {scenario.name: scenario for scenario in (*SCENARIOS, *LONG)}
