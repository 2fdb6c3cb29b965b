"""Scenarios of whole runs, successful and failed."""

from __future__ import annotations

from typing import Any

from chaos.interventions import INTERVENTIONS, SLOW
from chaos.living import Setup
from chaos.scenario import Scenario, Step
from chaos.steps import (
    all_copied,
    both,
    collected,
    create,
    delete,
    edit,
    fail,
    fail_until,
    finished,
    gone,
    launched,
    nothing_lingers,
    nothing_staged,
    of_another_job,
    other_cluster_stages,
    other_cluster_sweeps,
    phase,
    refuse,
    runs_before,
    theirs_untouched,
    upload,
    wait,
)
from chaos.steps import away as operator_away
from chaos.tenants import TENANTS
from fakes.build import SPEC
from fakes.memory_cluster import Scene
from fakes.scripts import (
    CRASHED,
    DISRUPTED,
    badly,
    by_shard,
    in_turn,
    lingering,
    never_running,
    reporting,
    well,
    with_garbage,
    without_result,
)
from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.attempt import Problem, State
from imagejob_operator.ports.object_store import StoreDenied

A, B = "shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"
AWAY = "https://example.com/away.jpg"
ONE_POD = {"execution": {"itemsPerPod": 50}}
NO_A = well(failing=["uploads/a.jpg"])
SLOW_START = 30
"""Seconds until a Pod runs, where it must not before somebody else has had his say, whatever goes wrong."""
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota: none")
REJECTED = Problem(Reason.POD_REJECTED, "denied by a webhook", certain=True)
IMAGE = Problem(Reason.IMAGE_PULL_FAILED, "no such image")
DENIED = StoreDenied("AccessDenied")


def to(**destination: Any) -> dict[str, Any]:
    return {"destination": {"prefix": "catalog/", **destination}}


def again(**run: Any) -> tuple[Step, ...]:
    """A second run after the first one has succeeded."""
    return Step(finished("Succeeded"), edit(run={"id": "2", **run})), wait(runs_before(1))


def queued(seconds: float) -> Any:
    """A queue delays every Pod by so many seconds."""
    return lambda shard, number: (Scene(seconds, State.WAITING), *well()(shard, number))


def ends_with(work: Any) -> Any:
    """Every Pod does this instead of its order."""
    return lambda shard, number: (Scene(1, State.RUNNING), Scene(2, State.SUCCEEDED, work=work))


LARGE = {"source": {"match": {"prefix": "uploads/", "exclude": [f"{n}{'x' * 200}" for n in range(12)]}}}
"""A spec that is not kept whole, so that it is read again for each operation."""

_SUCCESS = (
    Scenario("success"),
    Scenario("success with a large spec", LARGE),
    Scenario("success in one Pod", ONE_POD),
    Scenario("success, one Pod at a time", {"execution": {"itemsPerPod": 1, "parallelism": 1}}),
    Scenario("success, the operator says how many items a Pod has", {"execution": {}}),
    Scenario(
        "success after a time in a queue",
        {"execution": {"itemsPerPod": 50, "queueName": "team-a"}},
        queued(60),
    ),
    Scenario("an item fails and may", {"failurePolicy": {"maxFailedItems": 1}}, NO_A),
    Scenario("validated only", {"run": {"id": "1", "mode": "Validate"}}),
    Scenario(
        "a source is archived and its item may fail",
        {"failurePolicy": {"maxFailedItems": 1}},
        prepare=lambda arena: arena.store.archived.add("shop/uploads/a.jpg"),
    ),
    Scenario(
        "a source is missing and its item may fail",
        {
            "source": {"keys": ["uploads/a.jpg", "uploads/none.jpg"]},
            "failurePolicy": {"maxFailedItems": 1},
        },
    ),
    Scenario(
        "all sources are archived",
        {"failurePolicy": {"maxFailedItems": 2}},
        prepare=lambda arena: arena.store.archived.update({"shop/uploads/a.jpg", "shop/uploads/b.png"}),
    ),
    Scenario("the store takes no forms", prepare=lambda arena: setattr(arena.store, "forms", False)),
    Scenario("sources that are read where they lie", {"staging": {"mode": "Reference"}}),
    Scenario("sources by a prefix", {"source": {"match": {"prefix": "uploads/"}}, **ONE_POD}),
    Scenario(
        "sources by a list",
        {"source": {"list": {"key": "lists/spring"}}, **ONE_POD},
        prepare=upload("shop/lists/spring", b"uploads/b.png\nuploads/a.jpg\n"),
    ),
    Scenario("sources by URL", {"source": {"urls": [{"url": "https://example.com/a.jpg"}]}}),
    Scenario(
        "a web server stays away and its item may fail",
        {
            "source": {"urls": [{"url": AWAY}, {"url": "https://example.com/b.jpg"}]},
            "failurePolicy": {"maxFailedItems": 1},
            "execution": {"stagingDeadlineSeconds": 30, "itemsPerPod": 50},
        },
        setup=Setup(unreachable=(AWAY,)),
    ),
    Scenario("sources in the job itself", {"source": {"inline": [{"name": "logo.png", "data": "AAA="}]}}),
    Scenario("Pods report their progress", {}, reporting(1, 1, 1)),
    Scenario("a Pod crashes once", ONE_POD, in_turn(badly(CRASHED), well())),
    Scenario("a Pod is drained", ONE_POD, in_turn(badly(DISRUPTED), well())),
    Scenario(
        "a crashed Pod is removed by somebody",
        ONE_POD,
        in_turn(badly(CRASHED), well(start=3, run=5)),
        steps=[Step(launched(2), collected)],
    ),
    Scenario(
        "a sidecar outlives every Pod, one Pod at a time",
        {"execution": {"itemsPerPod": 1, "parallelism": 1}, "retention": {"pods": "Always"}},
        lingering(in_turn(badly(CRASHED), well(run=20))),
        steps=[wait(nothing_lingers)],
    ),
    Scenario(
        "kept for no time",
        {"retention": {"ttlSecondsAfterFinished": 0, "policy": "Delete"}},
        steps=[wait(gone)],
    ),
)

_PUBLISHED = (
    Scenario("published over what is older", to(), prepare=upload(A, b"older")),
    Scenario("nothing may be replaced, and nothing is there", to(overwrite="Never")),
    Scenario(
        "nothing may be replaced, and something is there", to(overwrite="Never"), prepare=upload(A, b"older")
    ),
    Scenario("only what differs, and nothing is there", to(overwrite="IfDifferent")),
    Scenario("only what differs, and nothing does", to(overwrite="IfDifferent"), steps=again()),
    Scenario(
        "only what differs, and one source does",
        to(overwrite="IfDifferent"),
        steps=[Step(finished("Succeeded"), upload("shop/uploads/a.jpg", b"another one")), *again()],
    ),
    Scenario("outputs of another job are replaced", prepare=both(of_another_job(A), of_another_job(B))),
    Scenario("what was published stays", to(), prepare=fail(DENIED, "copy", "catalog/uploads/b")),
)

_AGAIN = (
    Scenario("run again", steps=again()),
    Scenario(
        "run again, the failed items",
        {"failurePolicy": {"maxFailedItems": 1}},
        NO_A,
        steps=again(items="Failed"),
    ),
    Scenario(
        "made anew when it had succeeded",
        steps=[
            Step(finished("Succeeded"), delete),
            Step(gone, create({**SPEC, "execution": {"itemsPerPod": 1}})),
            wait(finished("Succeeded")),
        ],
    ),
)

_FAILURES = (
    Scenario("an item fails", script=NO_A),
    Scenario("a source is missing", {"source": {"keys": ["uploads/a.jpg", "uploads/none.jpg"]}}),
    Scenario("two outputs with one key", to(keyTemplate="x.{ext}")),
    Scenario(
        "the sources cannot be read in time",
        {"execution": {"stagingDeadlineSeconds": 30}},
        prepare=fail_until(1e9, "copy", "/in/"),
        names_last_error=True,
    ),
    Scenario(
        "a web server stays away",
        {
            "source": {"urls": [{"url": AWAY}, {"url": "https://example.com/b.jpg"}]},
            "execution": {"stagingDeadlineSeconds": 30},
        },
        setup=Setup(unreachable=(AWAY,)),
    ),
    # The other Pod must not run before the refusal is known, or there is something to report of it.
    Scenario("a Pod is refused for good", script=well(start=SLOW_START), prepare=refuse(REJECTED, 1)),
    Scenario(
        "a Pod is refused when another one has ended",
        {"execution": {"itemsPerPod": 1, "parallelism": 1}},
        prepare=refuse(REJECTED, 1),
    ),
    Scenario(
        "a Pod is refused by a quota",
        {"execution": {"startDeadlineSeconds": 30}},
        prepare=refuse(QUOTA, 0, 1),
        names_last_error=True,
    ),
    Scenario("the image cannot be pulled", {"execution": {"startDeadlineSeconds": 60}}, never_running(IMAGE)),
    Scenario(
        "a queue lets nothing go",
        {"execution": {"queueName": "team-a", "queueDeadlineSeconds": 60}},
        lambda shard, number: (),
    ),
    Scenario("every Pod crashes", {"execution": {"itemsPerPod": 50, "retriesPerShard": 1}}, badly(CRASHED)),
    Scenario(
        "every Pod crashes, and a sidecar outlives it",
        {"execution": {"itemsPerPod": 50, "retriesPerShard": 1}},
        lingering(badly(CRASHED)),
        steps=[wait(nothing_lingers)],
    ),
    Scenario("one Pod always crashes", script=by_shard({1: badly(CRASHED)}, well())),
    Scenario("a Pod leaves no result", ONE_POD, ends_with(without_result)),
    Scenario("a Pod leaves what is no result", ONE_POD, ends_with(with_garbage)),
    Scenario("the deadline passes", {"execution": {"activeDeadlineSeconds": 30}}, never_running(None)),
)

_LARGE = (
    Scenario(
        "superseded in Running, with a large spec",
        LARGE,
        script=SLOW,
        steps=[Step(phase("Running"), edit(run={"id": "2"})), wait(finished("Succeeded"))],
    ),
    Scenario(
        "deleted in Running, with a large spec",
        LARGE,
        script=SLOW,
        steps=[Step(phase("Running"), delete), wait(gone)],
    ),
)

_SWEPT = (
    Scenario(
        "cleaning takes longer than it may, and is done later",
        script=NO_A,
        prepare=fail_until(100, "delete"),
        timed=True,
    ),
    Scenario(
        "a sweep while the staging waits",
        {"execution": {"stagingDeadlineSeconds": 14400, "activeDeadlineSeconds": 28800}},
        prepare=both(other_cluster_stages, fail_until(7200 + 150, "put", "manifest.json")),
        # What is staged is old by then, and nothing newer comes. Another cluster sweeps the bucket as well.
        steps=[
            Step(all_copied, operator_away(7200)),
            Step(all_copied, other_cluster_sweeps),
            wait(theirs_untouched),
        ],
        setup=Setup(sweeps=True, sweep_every=60),
    ),
    Scenario(
        "let go with its staging, which is swept",
        prepare=fail_until(600, "delete"),
        script=SLOW,
        steps=[Step(phase("Running"), delete), Step(gone, operator_away(7200)), wait(nothing_staged)],
        setup=Setup(sweeps=True),
        timed=True,
    ),
)

SCENARIOS: tuple[Scenario, ...] = (
    *_SUCCESS,
    *_PUBLISHED,
    *_AGAIN,
    *_FAILURES,
    *_LARGE,
    *_SWEPT,
    *TENANTS,
    *INTERVENTIONS,
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
