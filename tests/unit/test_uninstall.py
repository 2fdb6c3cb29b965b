"""The command that leaves no ImageJob with the finalizer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from imagejob_operator import uninstall
from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.naming.names import FINALIZER
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.settings import read_scope
from imagejob_operator.uninstall import RELEASING_SECONDS, NotReleased, Uninstall

JOBS = "/apis/imagejob.dev/v1alpha1/imagejobs"
SHOP = "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs"


def job(name: str, guarded: bool = True, job_class: str = "") -> dict[str, Any]:
    """An ImageJob as the API server returns it; another controller has a finalizer on it too."""
    finalizers = ["example.com/other", FINALIZER] if guarded else ["example.com/other"]
    metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1", "generation": 1}
    spec = {"class": job_class} if job_class else {}
    return {"metadata": {**metadata, "finalizers": finalizers}, "spec": spec, "status": {}}


class Server:
    """An API server with ImageJobs, and the time that passes between two lists of them."""

    def __init__(self, *jobs: dict[str, Any]) -> None:
        self.jobs = {job["metadata"]["name"]: job for job in jobs}
        self.deleted: list[str] = []
        self.asked: list[str] = []
        self.now = 0.0
        self.operator: Callable[[], None] = lambda: None
        """What the operator does in a second."""
        self.error: ApiError | None = None
        self.groups: list[str] | None = None
        """What the API server serves; None if it does not answer that."""
        self.conflicts = 0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.operator()

    async def request(self, verb: str, path: str, body: Any = None, *more: Any, **only: Any) -> Any:
        if path == "/apis" and self.groups is not None:
            return {"groups": [{"name": name} for name in self.groups]}
        if self.error:
            raise self.error
        if verb == "GET":
            self.asked.append(path.partition("?")[0])
            return {"metadata": {}, "items": copy.deepcopy(list(self.jobs.values()))}
        if self.conflicts:
            self.conflicts -= 1
            raise ApiError(409, "Conflict", "the object has been modified")
        found = self.jobs[path.rpartition("/")[2]]["metadata"]
        if verb == "DELETE":
            self.deleted.append(found["name"])
            found["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            place = int(body[1]["path"].rpartition("/")[2])
            assert found["finalizers"][place] == FINALIZER
            del found["finalizers"][place]
        return {"metadata": found}

    def clean(self) -> None:
        """Release the jobs that are being deleted, as the operator does."""
        for found in self.jobs.values():
            if "deletionTimestamp" in found["metadata"]:
                found["metadata"]["finalizers"] = ["example.com/other"]


async def run(server: Server, seconds: float = 120, **scope: Any) -> list[str]:
    lines: list[str] = []
    await Uninstall(
        server,  # type: ignore[arg-type]
        **scope,
        say=lines.append,
        clock=server.clock,
        sleep=server.sleep,
    ).run(seconds)
    return lines


async def test_guarded_jobs_are_deleted_and_the_operator_cleans_them() -> None:
    server = Server(job("a"), job("b"), job("ended", guarded=False))
    server.operator = server.clean
    assert await run(server) == ["2 ImageJobs deleted; 0 of them may have left staged objects"]
    assert server.deleted == ["a", "b"]
    assert "deletionTimestamp" not in server.jobs["ended"]["metadata"]


async def test_a_job_that_is_created_meanwhile_is_deleted_too() -> None:
    server = Server(job("a"))

    def create_then_clean() -> None:
        server.clean()
        if "late" not in server.jobs:
            server.jobs["late"] = job("late")

    server.operator = create_then_clean
    await run(server)
    assert server.deleted == ["a", "late"]


async def test_the_finalizer_is_removed_if_the_operator_does_not_clean() -> None:
    server = Server(job("a"))
    assert await run(server, seconds=5) == [
        "shop/a: not cleaned after 5 s, finalizer removed",
        "1 ImageJobs deleted; 1 of them may have left staged objects",
    ]
    assert server.jobs["a"]["metadata"]["finalizers"] == ["example.com/other"]
    assert 5 <= server.now <= 7


async def test_a_job_that_changes_is_tried_again() -> None:
    server = Server(job("a"))
    server.operator, server.conflicts = server.clean, 3
    await run(server)
    assert server.deleted == ["a"]


async def test_jobs_that_cannot_be_released_are_named() -> None:
    server = Server(job("a"))
    server.conflicts = 1000
    with pytest.raises(NotReleased, match=r"still have the finalizer: shop/a$"):
        await run(server, seconds=5)
    assert server.now > RELEASING_SECONDS


async def test_jobs_of_another_class_are_not_touched() -> None:
    server = Server(job("ours", job_class="blue"), job("theirs"), job("red", job_class="red"))
    server.operator = server.clean
    await run(server, job_class="blue")
    assert server.deleted == ["ours"]


async def test_listed_namespaces_are_read_alone() -> None:
    server = Server()
    await run(server, namespaces=("shop",))
    await run(server)
    assert server.asked == [SHOP, JOBS]


def test_the_scope_is_that_of_the_operator() -> None:
    environment = {"IMAGEJOB_CLASS": "blue", "IMAGEJOB_WATCH_NAMESPACES": "shop, b"}
    assert read_scope(environment) == ("blue", ("shop", "b"))
    assert read_scope({}) == ("", ())


async def test_there_is_nothing_to_do_without_the_crd() -> None:
    server = Server()
    server.error = ApiError(404, "NotFound", "the server could not find the requested resource")
    assert await run(server) == ["0 ImageJobs deleted; 0 of them may have left staged objects"]


async def test_there_is_nothing_to_do_without_any_crd_of_the_group() -> None:
    """The API server then answers with plain text, as a proxy in front of it may do."""
    server = Server()
    server.error = ApiError(0, "NoStatus", "404 Not Found, without a status of the API server")
    server.groups = ["apps"]
    assert await run(server) == ["0 ImageJobs deleted; 0 of them may have left staged objects"]
    server.groups = ["apps", "imagejob.dev"]
    with pytest.raises(JobsError, match="404 Not Found"):
        await run(server)


async def test_a_refusal_ends_it() -> None:
    server = Server()
    server.error = ApiError(403, "Forbidden", "imagejobs is forbidden")
    with pytest.raises(JobsError, match="imagejobs is forbidden"):
        await run(server)


def test_an_error_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    async def refuse(environment: object, seconds: float) -> None:
        assert seconds == 30
        raise NotReleased("these ImageJobs still have the finalizer: shop/a")

    monkeypatch.setattr(uninstall, "run", refuse)
    assert uninstall.main(["--timeout=30"]) == 1
    assert capsys.readouterr().err == (
        "imagejob-uninstall: these ImageJobs still have the finalizer: shop/a\n"
    )
