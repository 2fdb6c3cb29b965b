"""Every code and reason of the catalogue is reached by a whole run; the others are in a short list."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.memory_cluster import Scene, Script, idle
from fakes.memory_stores import image_store
from fakes.scripts import badly, never_running, well, without_result
from fakes.world import KEY, World
from imagejob_operator.api.errors import CATALOGUE, Code, Reason
from imagejob_operator.decision.attempt import Problem, State
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.ports.imagejobs import Forbidden
from imagejob_operator.ports.object_store import BucketMissing, StoreDenied, StoreUnavailable

ELSEWHERE = {
    (Code.NOT_FOUND, Reason.JOB_NOT_FOUND): "the CLI's answer for a job that is not there",
}
"""Entries that no run can come to, and who reaches them."""


URL = "https://pictures.example/a.jpg"
AWAY = StoreUnavailable("the store cannot be reached")
DENIED = StoreDenied("AccessDenied")
NO_BUCKET = BucketMissing("NoSuchBucket")
CUT_OFF = Problem(Reason.STORE_UNREACHABLE, "the Pod could not use the store")
FORBIDDEN = Forbidden("admission webhook denied the request")
ARCHIVED = {"destination": {"prefix": "catalog/", "storeRef": {"name": "media"}}}


def ends_without_result(shard: int, number: int) -> tuple[Scene, ...]:
    return (Scene(1, State.RUNNING), Scene(1, State.SUCCEEDED, work=without_result))


def nothing(world: World) -> None:
    """The world is all right."""


@dataclass
class Case:
    """A world in which a run fails, and for what."""

    wanted: str
    spec: dict[str, Any] = field(default_factory=dict)
    script: Script = field(default_factory=well)
    prepare: Callable[[World], object] = nothing
    selector: dict[str, str] = field(default_factory=dict)


def refusing(problem: Problem) -> Callable[[World], object]:
    return lambda world: world.cluster.refusals.update(dict.fromkeys(range(9), problem))


def waiting(reason: Reason, certain: bool = False) -> Script:
    return never_running(Problem(reason, "evidence", certain))


def url(**more: str) -> dict[str, Any]:
    return {"source": {"urls": [{"url": URL, **more}]}}


def failing(reason: Reason, transient: bool = False) -> Callable[[World], object]:
    return lambda world: world.web.fail(URL, FetchFailed(reason, f"{URL}: evidence", transient))


def loses_its_store(operation: str, about: str) -> Callable[[World], object]:
    """The ImageStore of the outputs is deleted at the first such call, which fails."""

    async def prepare(world: World) -> None:
        world.stores.bucket("shop", "key")
        world.stores.secret_of("key")
        store = world.stores.declare(image_store())
        await world.operator.stores.check(store)

        async def delete(called: str, key: str, done: bool) -> None:
            if called == operation and about in key and not done:
                world.operator.stores.forget(store.key)
                world.store.hooks.remove(delete)
                raise AWAY

        world.store.hooks.install(delete)

    return prepare


CASES = [
    Case("JOB_001/InvalidSpec", {"renditions": []}),
    Case("JOB_001/KeyCollision", {"destination": {"keyTemplate": "one"}}),
    Case("JOB_001/NotPermitted", selector={"imagejob.dev/admitted": "true"}),
    Case("JOB_001/NoPreviousReport", {"run": {"id": "1", "items": "Failed"}}),
    Case("JOB_001/ClusterRefused", prepare=lambda w: w.cluster.hooks.fail(FORBIDDEN, "add_finalizer")),
    Case("JOB_001/StoreNotFound", {"storeRef": {"name": "media"}}),
    Case(
        "JOB_001/StoreNotReady",
        {"destination": {"storeRef": {"name": "media"}}},
        prepare=lambda w: w.operator.stores.register(image_store()),
    ),
    Case("JOB_002/SourceNotFound", {"source": {"keys": ["no.jpg"]}}),
    Case("JOB_002/SourceEmpty", {"source": {"match": {"prefix": "none/"}}}),
    Case("JOB_002/TooManyItems", {"source": {"match": {"prefix": "uploads/", "maxItems": 1}}}),
    Case("JOB_002/SourceTooLarge", url(), prepare=failing(Reason.SOURCE_TOO_LARGE)),
    Case("JOB_002/ChecksumMismatch", url(sha256="0" * 64)),
    Case("JOB_002/BlockedAddress", url(), prepare=failing(Reason.BLOCKED_ADDRESS)),
    Case("JOB_002/SourceUnreachable", url(), prepare=failing(Reason.SOURCE_UNREACHABLE, transient=True)),
    Case("JOB_002/AccessDenied", prepare=lambda w: w.store.hooks.fail(DENIED, "stat")),
    Case("JOB_002/BucketNotFound", prepare=lambda w: w.store.hooks.fail(NO_BUCKET, "stat")),
    Case("JOB_002/StoreNotFound", ARCHIVED, prepare=loses_its_store("copy", "in/")),
    Case("JOB_002/StoreUnavailable", prepare=lambda w: w.store.hooks.fail(AWAY, "copy")),
    Case(
        "JOB_002/StagingDeadlineExceeded",
        {"execution": {"stagingDeadlineSeconds": 5}},
        prepare=lambda w: w.hang("copy"),
    ),
    Case("JOB_003/PodRejected", prepare=refusing(Problem(Reason.POD_REJECTED, "violates", certain=True))),
    Case("JOB_003/QuotaExceeded", prepare=refusing(Problem(Reason.QUOTA_EXCEEDED, "exceeded quota"))),
    Case("JOB_003/ImagePullFailed", script=waiting(Reason.IMAGE_PULL_FAILED)),
    Case("JOB_003/InvalidImageName", script=waiting(Reason.INVALID_IMAGE_NAME, certain=True)),
    Case("JOB_003/ConfigError", script=waiting(Reason.CONFIG_ERROR)),
    Case("JOB_003/Unschedulable", script=waiting(Reason.UNSCHEDULABLE)),
    Case("JOB_003/StartDeadlineExceeded", script=idle),
    Case("JOB_003/QueueDeadlineExceeded", {"execution": {"queueName": "team-a"}}, script=idle),
    Case("JOB_005/ItemsFailed", script=well(failing=["uploads/a.jpg"])),
    Case("JOB_005/OutOfMemory", script=badly(Problem(Reason.OUT_OF_MEMORY, "limit 1Gi"))),
    Case("JOB_005/Crashed", script=badly(Problem(Reason.CRASHED, "exit 70"))),
    Case("JOB_005/NodeLost", script=badly(Problem(Reason.NODE_LOST, "drained again", counted=False))),
    Case("JOB_005/StoreUnreachable", script=badly(CUT_OFF)),
    Case("JOB_005/ResultsInvalid", script=ends_without_result),
    Case("JOB_006/DeadlineExceeded", {"execution": {"activeDeadlineSeconds": 30}}, script=well(run=500)),
    Case("JOB_007/DestinationDenied", prepare=lambda w: w.store.hooks.fail(DENIED, "copy", "shop/catalog/")),
    Case("JOB_007/BucketNotFound", prepare=lambda w: w.store.hooks.fail(NO_BUCKET, "copy", "shop/catalog/")),
    Case("JOB_007/StoreNotFound", ARCHIVED, prepare=loses_its_store("get", "results/")),
    Case("JOB_007/StoreUnavailable", prepare=lambda w: w.store.hooks.fail(AWAY, "copy", "shop/catalog/")),
    Case(
        "JOB_007/OverwriteRefused",
        {"destination": {"prefix": "catalog/", "overwrite": "Never"}},
        prepare=lambda w: w.store.set("shop/catalog/uploads/b-web.webp", b"older"),
    ),
    Case("JOB_008/Cancelled", {"cancelRunID": "1"}),
    Case("JOB_008/Superseded"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.wanted)
async def test_a_run_comes_to(case: Case) -> None:
    world = World(case.script, selector=case.selector)
    prepared = case.prepare(world)
    if inspect.isawaitable(prepared):
        await prepared
    world.create(**case.spec)
    if case.wanted.endswith("Superseded"):
        await world.run(until=lambda: world.job.status.phase == "Running")
        world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: bool(world.job.status.error))
    assert world.error() == case.wanted
    error = world.job.status.error
    assert error
    entry = CATALOGUE[Code(error.code), Reason(error.reason)]
    assert (error.fault, error.retriable) == (entry.fault.value, entry.retriable)
    assert error.message
    await world.run(until=lambda: world.job.status.phase in ("Failed", "Cancelled"))
    assert world.error() == case.wanted, "the first cause stays"
    await world.run(until=lambda: bool(world.cluster.events))
    reached = {(e.reason) for e in world.cluster.events.values()}
    assert reached == {error.reason}


def test_the_catalogue_has_nothing_that_no_run_comes_to() -> None:
    reached = [case.wanted for case in CASES]
    assert len(set(reached)) == len(reached)
    listed = {f"{code}/{reason}" for code, reason in CATALOGUE}
    missing = listed - set(reached) - {f"{code}/{reason}" for code, reason in ELSEWHERE}
    assert not missing, f"no test comes to {sorted(missing)}"
    assert set(reached) <= listed


def test_what_no_run_comes_to_is_a_short_list() -> None:
    assert len(ELSEWHERE) <= 3
    assert ELSEWHERE.keys() <= CATALOGUE.keys()
