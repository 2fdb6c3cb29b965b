"""Listings are read page by page by every caller."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.listing import list_objects

PODS = "/api/v1/pods?limit=10"


def page(*names: str, proceed: str = "") -> dict[str, Any]:
    return {"metadata": {"continue": proceed}, "items": [{"metadata": {"name": name}} for name in names]}


class Server:
    """Answers by path, and keeps what it was asked."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str, str]] = []

    async def request(self, verb: str, path: str, accept: str = "", only: Any = None) -> dict[str, Any]:
        self.asked.append((verb, path, accept))
        answer = self.answers[path]
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found


async def names(server: Server, namespaces: Sequence[str] = (), **asked: str) -> list[str]:
    found = list_objects(server, "/api/v1", "pods", namespaces, **asked)  # type: ignore[arg-type]
    return [item["metadata"]["name"] async for item in found]


async def test_all_pages_are_read_and_the_token_is_quoted() -> None:
    server = Server(
        {
            PODS: page("a", "b", proceed="a+b&c="),
            f"{PODS}&continue=a%2Bb%26c%3D": page("c", proceed="last"),
            f"{PODS}&continue=last": page("d"),
        }
    )
    assert await names(server) == ["a", "b", "c", "d"]


async def test_an_empty_list_may_be_null_but_must_be_there() -> None:
    assert await names(Server({PODS: {"metadata": {}, "items": None}})) == []
    with pytest.raises(KeyError):
        await names(Server({PODS: {"metadata": {}}}))


async def test_each_namespace_is_listed_from_its_beginning() -> None:
    shop, b = (f"/api/v1/namespaces/{name}/pods?limit=10" for name in ("shop", "b"))
    server = Server({shop: page("a", proceed="x"), f"{shop}&continue=x": page("b"), b: page("c")})
    assert await names(server, ("shop", "b")) == ["a", "b", "c"]


async def test_the_selector_is_quoted_and_asked_for_on_every_page() -> None:
    selected = f"{PODS}&labelSelector=imagejob.dev/installation%3Dblue"
    server = Server({selected: page("a", proceed="x"), f"{selected}&continue=x": page()})
    assert await names(server, selector="imagejob.dev/installation=blue", accept="brief") == ["a"]
    assert {(verb, accept) for verb, _, accept in server.asked} == {("GET", "brief")}


async def test_a_page_that_cannot_be_read_ends_the_listing_with_its_error() -> None:
    expired = ApiError(410, "Expired", "the continue token is too old")
    with pytest.raises(ApiError, match="too old"):
        await names(Server({PODS: page("a", proceed="x"), f"{PODS}&continue=x": expired}))
