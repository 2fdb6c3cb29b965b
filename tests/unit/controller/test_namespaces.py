"""Each watched namespace is read on its own, and one that cannot be read stops no other."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from fakes.log_lines import lines
from imagejob_operator.namespaces import EVERYWHERE, WatchedNamespaces, covers
from imagejob_operator.ports.imagejobs import Forbidden

DENIED = Forbidden("pods is forbidden")


class Reads:
    """Reads that fail for some namespaces."""

    def __init__(self, *failing: str) -> None:
        self.failing = set(failing)
        self.read: list[tuple[str, ...]] = []

    async def __call__(self, names: Sequence[str]) -> str:
        self.read.append(tuple(names))
        if self.failing & ({*names} or {EVERYWHERE}):
            raise DENIED
        return "what is in " + ("all" if not names else names[0])

    async def nothing(self, names: Sequence[str]) -> None:
        await self(names)


@pytest.mark.parametrize(
    ("name", "namespace", "answer"),
    [("", "a", True), ("", "", True), ("a", "a", True), ("b", "a", False), ("a", "", False)],
)
def test_what_is_read_of_all_covers_each(name: str, namespace: str, answer: bool) -> None:
    assert covers(name, namespace) is answer


async def test_without_names_the_cluster_is_read_at_once() -> None:
    reads, watched = Reads(), WatchedNamespaces()
    assert await watched.each(reads) == {"": "what is in all"}
    assert reads.read == [()]


async def test_one_that_cannot_be_read_is_left_out() -> None:
    reads, watched = Reads("b"), WatchedNamespaces(("a", "b"))
    assert await watched.each(reads) == {"a": "what is in a"}
    assert await watched.check(reads) == {"a": "what is in a"}
    assert sorted(reads.read) == [("a",), ("a",), ("b",), ("b",)]


async def test_if_none_can_be_read_the_error_is_raised_and_a_check_raises_none() -> None:
    reads, watched = Reads("a", "b"), WatchedNamespaces(("a", "b"))
    with pytest.raises(Forbidden, match="pods is forbidden"):
        await watched.each(reads)
    assert await watched.check(reads) == {}


async def test_pods_are_listed_until_each_namespace_was_read_once() -> None:
    reads, watched = Reads("b"), WatchedNamespaces(("a", "b"))
    assert not watched.ready("a")
    await watched.list_pods(reads.nothing)
    assert not watched.all_listed()
    assert (watched.ready("a"), watched.ready("b"), watched.ready("c")) == (True, False, False)
    reads.read, reads.failing = [], set()
    await watched.list_pods(reads.nothing)
    assert reads.read == [("b",)], "what is in the cache is not read again"
    assert watched.all_listed()
    assert watched.ready("b")
    reads.read = []
    await watched.list_pods(reads.nothing)
    assert reads.read == []


async def test_a_cluster_that_is_listed_is_ready_also_while_it_cannot_be_read() -> None:
    reads, watched = Reads(), WatchedNamespaces()
    assert not watched.ready("a")
    await watched.list_pods(reads.nothing)
    reads.failing = {EVERYWHERE}
    await watched.check(reads)
    assert watched.ready("a")


async def test_a_namespace_that_becomes_unavailable_is_not_ready_and_each_change_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    reported: list[tuple[str, bool]] = []
    reads = Reads()
    watched = WatchedNamespaces(("a", "b"), lambda name, available: reported.append((name, available)))
    await watched.list_pods(reads.nothing)
    for failing in ({"b"}, {"b"}, set[str](), set[str]()):
        reads.failing = failing
        await watched.check(reads)
        assert (watched.ready("a"), watched.ready("b")) == (True, not failing)
    assert reported == [("a", True), ("b", False)] * 2 + [("a", True), ("b", True)] * 2
    text = "cannot read namespace b: its ImageJobs wait until it can be read again"
    assert lines(caplog.records) == [
        ("WARNING", text, {"namespace": "b", "error": "pods is forbidden"}),
        ("INFO", "namespace b can be read again", {"namespace": "b"}),
    ]


async def test_a_cluster_that_cannot_be_read_is_logged_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    reads, watched = Reads(EVERYWHERE), WatchedNamespaces()
    await watched.check(reads)
    reads.failing = set()
    await watched.check(reads)
    text = "cannot read the cluster: its ImageJobs wait until it can be read again"
    assert lines(caplog.records) == [
        ("WARNING", text, {"namespace": "", "error": "pods is forbidden"}),
        ("INFO", "the cluster can be read again", {"namespace": ""}),
    ]
