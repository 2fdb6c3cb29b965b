"""The API server restarts, is busy, or is asked at a bad moment: that is never the end of a job."""

from __future__ import annotations

import pytest

from fakes.memory_stores import image_store
from fakes.scripts import well
from fakes.world import KEY, World
from imagejob_operator.adapters.kubernetes.answers import ApiError, refusal, translate
from imagejob_operator.ports.imagejobs import Unavailable
from imagejob_operator.ports.launcher import Refused

RBAC = (
    'User "system:serviceaccount:imagejob-system:imagejob-operator" cannot create resource "pods" in API '
    'group "" in the namespace "shop"'
)
BAD_MOMENTS = {
    "401 after a rotation of keys": ApiError(401, "Unauthorized", "Unauthorized"),
    "403 before RBAC is loaded": ApiError(403, "Forbidden", f"pods is forbidden: {RBAC}"),
    "403 before admission is ready": ApiError(
        403, "Forbidden", 'pods "a" is forbidden: not yet ready to handle request'
    ),
    "403 of a new quota": ApiError(
        403, "Forbidden", 'pods "a" is forbidden: status unknown for quota: all, resources: pods'
    ),
    "409 of parallel creates under a quota": ApiError(
        409,
        "Conflict",
        'Operation cannot be fulfilled on resourcequotas "all": the object has been modified; please apply '
        "your changes to the latest version and try again",
    ),
    "429 of priority and fairness": ApiError(429, "TooManyRequests", "the server is busy", 1.0),
    "500 of a webhook that is down": ApiError(
        500, "InternalError", 'failed calling webhook "x.example.com": connection refused'
    ),
    "503 of a rolling update": ApiError(503, "ServiceUnavailable", "the server is not ready"),
    "no answer": ApiError(0, "NoResponse", "the API server did not respond: TimeoutError"),
}
each_bad_moment = pytest.mark.parametrize("answer", BAD_MOMENTS.values(), ids=BAD_MOMENTS.keys())


@each_bad_moment
def test_a_bad_moment_is_no_verdict_on_a_pod(answer: ApiError) -> None:
    """No user attacks: waiting helps against each of these, so none may end a run at once."""
    assert not refusal(answer).certain


@pytest.mark.parametrize(
    "answer", [a for a in BAD_MOMENTS.values() if a.status != 409], ids=lambda answer: str(answer.status)
)
def test_a_bad_moment_is_no_verdict_on_a_write(answer: ApiError) -> None:
    """The same answers about ImageJobs: the write is repeated, and the object is not at fault."""
    assert isinstance(translate(answer), Unavailable)


@each_bad_moment
async def test_a_launch_is_repeated_until_the_start_deadline(answer: ApiError) -> None:
    """A Pod that is refused forever: JOB_003 at the start deadline with the answer, and not before."""
    world = World()
    world.create(execution={"startDeadlineSeconds": 120})
    world.cluster.hooks.fail(Refused(refusal(answer)), "launch")
    await world.run(until=lambda: world.job.status.phase == "Launching")
    assert await world.run(until=lambda: bool(world.job.status.error)) >= 120
    error = world.job.status.error
    assert error
    assert error.code == "JOB_003"
    assert answer.message in error.message
    await world.run()
    assert world.staged() == []


@each_bad_moment
async def test_a_launch_that_is_refused_for_a_while_is_no_failure(answer: ApiError) -> None:
    """The API server is itself again before the deadline."""
    world = World()
    world.create()
    fault = world.cluster.hooks.fail(Refused(refusal(answer)), "launch")
    await world.run(until=lambda: world.cluster.hooks.count("launch") > 5)
    world.cluster.hooks.remove(fault)
    await world.run()
    assert world.job.status.phase == "Succeeded"


@each_bad_moment
async def test_a_finalizer_that_is_refused_for_ever_is_not_an_invalid_spec(answer: ApiError) -> None:
    """The spec is valid: the job must not say that its author has to correct it."""
    world = World()
    world.create()
    world.cluster.hooks.fail(translate(answer, json_patch=True), "add_finalizer")
    if answer.status == 409:
        return  # a conflict is repeated with the next version
    await world.run(until=lambda: bool(world.job.status.error))
    assert world.error() == "JOB_001/ClusterRefused"
    assert answer.message in str(world.job.status.error)
    assert world.staged() == []


@each_bad_moment
async def test_a_finalizer_that_is_refused_for_a_while_is_no_failure(answer: ApiError) -> None:
    """The API server is itself again before the grace has passed; its condition names the answer."""
    world = World()
    world.create()
    fault = world.cluster.hooks.fail(translate(answer, json_patch=True), "add_finalizer")
    await world.run(until=lambda: world.cluster.hooks.count("add_finalizer") > 3)
    if answer.status != 409:
        ready = world.job.status.condition("Reconciling")
        assert ready
        assert answer.message in ready.message
    world.cluster.hooks.remove(fault)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_validation_waits_for_an_api_server_that_does_not_answer() -> None:
    """`mode: Validate` reports no rejection of a Pod that no admission plugin has judged."""
    world = World()
    world.create(run={"id": "1", "mode": "Validate"})
    answer = BAD_MOMENTS["503 of a rolling update"]
    fault = world.cluster.hooks.fail(Refused(refusal(answer)), "rehearse")
    await world.run(until=lambda: world.cluster.hooks.count("rehearse") > 3)
    assert not world.job.status.error
    world.cluster.hooks.remove(fault)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_deleted_imagestore_is_not_called_unavailable() -> None:
    """A tenant deletes the ImageStore for the outputs during a run: the status says exactly that."""
    world = World(script=well(run=100))
    world.stores.bucket("shop", "key")
    world.stores.secret_of("key")
    store = world.stores.declare(image_store())
    assert (await world.operator.stores.check(store)).ready
    world.create(destination={"prefix": "catalog/", "storeRef": {"name": store.key.name}})
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.operator.stores.forget(store.key)
    await world.run(until=lambda: bool(world.job.status.error))
    assert world.error() == "JOB_007/StoreNotFound"


async def test_the_grace_does_not_run_while_there_is_no_operator() -> None:
    """A job was created an hour ago, while the operator was down: a first failed answer is no verdict."""
    world = World(selector={"admitted": "true"})
    world.cluster.namespaces["shop"] = {"admitted": "true"}
    world.create()
    world.clock.advance_to(world.clock() + 12 * world.policy.start_grace)
    world.cluster.hooks.fail(Unavailable("503"), "namespace", times=3)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_labels_that_cannot_be_read_are_not_missing_labels() -> None:
    """The API server never answers for the labels of the namespace: no rule has refused the namespace."""
    world = World(selector={"admitted": "true"})
    world.create()
    world.cluster.hooks.fail(Unavailable("503"), "namespace")
    await world.run(until=lambda: bool(world.job.status.error))
    assert world.error() == "JOB_001/ClusterRefused"
    assert world.cluster.job(KEY) is not None
