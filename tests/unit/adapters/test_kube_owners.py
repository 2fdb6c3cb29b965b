"""Owners of staging by the API server's answers: whole ones only."""

from __future__ import annotations

from typing import Any

import pytest

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.listing import METADATA_ONLY
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Owner
from imagejob_operator.ports.imagejobs import JobsError, Unavailable

ALL = "/apis/imagejob.dev/v1alpha1/imagejobs"
KEY = Key("shop", "a")


def page(*uids: str, proceed: str = "") -> dict[str, Any]:
    items = [{"metadata": {"uid": uid, "namespace": "shop", "name": f"job-{uid}"}} for uid in uids]
    return {"metadata": {"continue": proceed} if proceed else {}, "items": items}


def missing(kind: str) -> ApiError:
    error = ApiError(404, "NotFound", "not found")
    error.kind = kind
    return error


class Server:
    """Answers by path, and keeps what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str]] = []

    async def request(self, verb: str, path: str, accept: str = "", only: Any = None) -> dict[str, Any]:
        assert verb == "GET"
        self.asked.append((path, accept))
        answer = self.answers[path] if path in self.answers else self.answers["other"]
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found


def owners(server: Server) -> KubeOwners:
    return KubeOwners(server)  # type: ignore[arg-type]


async def test_all_pages_without_a_resource_version_and_without_bodies() -> None:
    server = Server(
        **{
            f"{ALL}?limit=20": page("u1", "u2", proceed="a+b/c="),
            f"{ALL}?limit=20&continue=a%2Bb/c%3D": page("u3"),
        }
    )
    assert list(await owners(server).uids(())) == ["u1", "u2", "u3"]
    assert {accept for _, accept in server.asked} == {METADATA_ONLY}
    assert not any("resourceVersion" in path for path, _ in server.asked)


async def test_of_nothing_the_api_server_makes_null() -> None:
    assert await owners(Server(other={"metadata": {}, "items": None})).uids(()) == {}
    with pytest.raises(KeyError):
        await owners(Server(other={"metadata": {}})).uids(())


async def test_each_namespace_that_is_watched() -> None:
    server = Server(other=page("u1"))
    assert await owners(server).uids(("shop", "b")) == {"u1": Key("shop", "job-u1")}
    assert [path for path, _ in server.asked] == [
        f"/apis/imagejob.dev/v1alpha1/namespaces/{name}/imagejobs?limit=20" for name in ("shop", "b")
    ]


@pytest.mark.parametrize(
    "error",
    [
        missing(""),
        missing("imagejobs"),
        ApiError(403, "Forbidden", "no"),
        ApiError(410, "Expired", "the continue token is too old"),
        ApiError(500, "", "broken"),
        ApiError(0, "NoAnswer", "nothing"),
    ],
)
async def test_a_listing_that_fails_is_never_an_empty_one(error: ApiError) -> None:
    for failing in (f"{ALL}?limit=20", f"{ALL}?limit=20&continue=x"):
        server = Server(**{f"{ALL}?limit=20": page("u1", proceed="x"), "other": page(), failing: error})
        with pytest.raises(JobsError):
            await owners(server).uids(())


async def test_one_owner() -> None:
    status = {"phase": "Running", "run": {"number": 2, "epoch": 1}}
    server = Server(other={"metadata": {"uid": "u1"}, "status": status})
    assert await owners(server).get(KEY) == ("u1", Owner(2, 1, "Running"))
    assert server.asked[0][0] == "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs/a"


async def test_an_owner_is_gone_only_if_it_is_the_owner_that_is_missing() -> None:
    assert await owners(Server(other=missing("imagejobs"))).get(KEY) is None
    for error in (missing(""), missing("namespaces")):
        with pytest.raises(Unavailable):
            await owners(Server(other=error)).get(KEY)
    with pytest.raises(JobsError):
        await owners(Server(other=ApiError(403, "Forbidden", "no"))).get(KEY)


async def test_a_cluster_is_identified_by_its_oldest_namespace() -> None:
    server = Server(**{"/api/v1/namespaces/kube-system": {"metadata": {"uid": "c1"}}})
    assert await owners(server).cluster_uid() == "c1"
