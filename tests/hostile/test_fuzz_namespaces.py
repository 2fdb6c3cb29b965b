"""Namespaces deny access, fail and come back in any order, while objects appear and disappear unseen.

What can be read is repaired; what cannot be read is never taken for gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.api.imagejob import Key, parse_job
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import WatchMonitor
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.ports.imagejobs import JobsError, Rejected, Unavailable
from imagejob_operator.ports.metadata_list import ListedObject

NAMES = ("blue", "green", "red")
objects = st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from("abc")))
rounds = st.lists(st.tuples(objects, st.sets(st.sampled_from(NAMES)), st.booleans()), min_size=1, max_size=6)


@dataclass
class Cluster:
    """What exists, and which namespaces cannot be read."""

    existing: Set[tuple[str, str]] = field(default_factory=frozenset)
    unreadable: Set[str] = field(default_factory=frozenset)
    error: JobsError = field(default_factory=lambda: Rejected("403"))

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        if self.unreadable & set(namespaces):
            raise self.error
        return {
            f"{namespace}-{name}": ListedObject(Key(namespace, name), "1")
            for namespace, name in self.existing
            if namespace in namespaces
        }

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        return {}


def deliver(monitor: WatchMonitor, cache: Cache, namespace: str, name: str) -> None:
    uid = f"{namespace}-{name}"
    metadata = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": "1"}
    cache.put_job(parse_job({"metadata": metadata}))
    monitor.jobs.note(namespace, uid, "1", deleted=False)


def cached(cache: Cache) -> set[tuple[str, str]]:
    return {(job.key.namespace, job.key.name) for job in cache.jobs()}


async def keeps_what_it_cannot_read(
    played: list[tuple[set[tuple[str, str]], set[str], bool]],
    namespaces: Callable[[Sequence[str]], WatchedNamespaces] = WatchedNamespaces,
) -> None:
    """The watch delivers every object, and never a deletion; the monitor has to find those."""
    cluster, cache = Cluster(), Cache()
    watched = namespaces(NAMES)
    monitor = WatchMonitor(cluster, cache, Queues(), namespaces=watched)
    for existing, unreadable, transient in played:
        cluster.existing, cluster.unreadable = existing, unreadable
        cluster.error = Unavailable("503") if transient else Rejected("403")
        before = cached(cache)
        for namespace, name in existing:
            if namespace not in unreadable:
                deliver(monitor, cache, namespace, name)
        await monitor.compare()
        kept = {one for one in before if one[0] in unreadable}
        assert cached(cache) == kept | {one for one in existing if one[0] not in unreadable}
        assert monitor.details()["missingFromWatch"] == 0


@given(rounds)
def test_jobs_of_unreadable_namespaces_are_kept_and_others_repaired(
    played: list[tuple[set[tuple[str, str]], set[str], bool]],
) -> None:
    asyncio.run(keeps_what_it_cannot_read(played))


class TakesErrorsForEmpty(WatchedNamespaces):
    """Planted: a namespace that cannot be read is taken for one without objects."""

    async def check(self, read):  # type: ignore[no-untyped-def]
        """See the base class."""
        monitor = read.__self__
        for name in self.names:
            try:
                await read((name,))
            except JobsError:
                monitor._forget_jobs(name, set(monitor.jobs.of(name)))
        return {name: [] for name in self.names}


def test_a_planted_bug_is_found() -> None:
    @given(rounds)
    def planted(played: list[tuple[set[tuple[str, str]], set[str], bool]]) -> None:
        asyncio.run(keeps_what_it_cannot_read(played, TakesErrorsForEmpty))

    with pytest.raises(AssertionError):
        planted()
