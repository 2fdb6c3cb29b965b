"""What the watch monitor knows of each watch, what it forgets, and what it reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fakes.build import NOW
from fakes.log_lines import lines
from imagejob_operator.api.imagejob import Identity, Key, parse_job
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import GRACE, MAX_LAG, SeenVersions, WatchMonitor
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.ports.imagejobs import Unavailable
from imagejob_operator.ports.metadata_list import ListedObject

SPRING, OTHER = Key("shop", "spring"), Key("other", "autumn")


class Lists:
    """The port MetadataLister: per namespace if namespaces are asked for."""

    def __init__(self) -> None:
        self.of_jobs: dict[str, ListedObject] = {}
        self.of_attempts: dict[str, ListedObject] = {}
        self.asked: list[Sequence[str]] = []
        self.away: set[str] = set()

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        self.asked.append(namespaces)
        if self.away & set(namespaces):
            raise Unavailable("503")
        return self._of(self.of_jobs, namespaces)

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        self.asked.append(namespaces)
        return self._of(self.of_attempts, namespaces)

    def _of(self, listed: dict[str, ListedObject], names: Sequence[str]) -> dict[str, ListedObject]:
        return {uid: one for uid, one in listed.items() if not names or one.key.namespace in names}


class Bench:
    """A monitor whose clock the test sets."""

    def __init__(self, *namespaces: str) -> None:
        self.now = 1000.0
        self.lists, self.cache, self.queues = Lists(), Cache(), Queues()
        self.problem = ""
        self.monitor = WatchMonitor(
            self.lists,
            self.cache,
            self.queues,
            (lambda: "", lambda: self.problem),
            WatchedNamespaces(namespaces),
            lambda: self.now,
        )

    def job(self, key: Key, uid: str) -> None:
        metadata = {"namespace": key.namespace, "name": key.name, "uid": uid, "resourceVersion": "1"}
        self.cache.put_job(parse_job({"metadata": metadata}))

    def attempt(self, key: Key, job: str, uid: str) -> None:
        self.cache.put_attempt(
            Identity(key, job), Attempt(f"{key.name}-0-1", uid, 1, 0, 1, State.RUNNING, NOW)
        )

    def queued(self) -> list[Key]:
        return sorted(self.queues.jobs._queued)


# --- versions ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("per_namespace", "silence"), [(True, float("inf")), (False, 7.0)])
def test_each_watch_has_its_own_silence(per_namespace: bool, silence: float) -> None:
    now = 10.0
    seen = SeenVersions(lambda: now, per_namespace)
    assert seen.silence("shop") == float("inf")
    seen.note("shop", "u1", "5", deleted=False)
    now = 17.0
    assert (seen.silence("shop"), seen.silence("other")) == (7.0, silence)


def test_versions_only_grow_until_the_object_is_deleted() -> None:
    seen = SeenVersions(lambda: 0.0, per_namespace=True)
    assert seen.lacks("shop", "u1", "1")
    seen.note("shop", "u1", "5", deleted=False)
    seen.note("shop", "u1", "4", deleted=False)
    seen.note("other", "u2", "6", deleted=False)
    assert seen.versions == {"u1": "5", "u2": "6"}
    assert [seen.lacks("shop", "u1", version) for version in ("4", "5", "6")] == [False, False, True]
    seen.note("shop", "u1", "7", deleted=True)
    seen.note("shop", "u9", "7", deleted=True)
    assert (seen.versions, dict(seen.of("other"))) == ({"u2": "6"}, {"u2": "6"})


# --- comparing ---------------------------------------------------------------------------------------------


async def test_each_namespace_is_listed_on_its_own() -> None:
    bench = Bench("shop", "other")
    await bench.monitor.compare()
    assert sorted(map(tuple, bench.lists.asked)) == [("other",), ("other",), ("shop",), ("shop",)]
    everywhere = Bench()
    await everywhere.monitor.compare()
    assert everywhere.lists.asked == [(), ()]


@pytest.mark.parametrize("namespaces", [(), ("shop", "other")], ids=["one-watch", "its-own-watch"])
async def test_what_the_list_lacks_is_forgotten_and_logged(
    namespaces: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench(*namespaces)
    for key, job, pod in ((SPRING, "u1", "p1"), (OTHER, "u2", "p2")):
        bench.job(key, job)
        bench.attempt(key, job, pod)
        bench.monitor.jobs.note(key.namespace, job, "1", deleted=False)
        bench.monitor.attempts.note(key.namespace, pod, "1", deleted=False)
        bench.lists.of_jobs[job] = bench.lists.of_attempts[pod] = ListedObject(key, "1")
    await bench.monitor.compare()
    assert (bench.queued(), lines(caplog.records)) == ([], [])
    del bench.lists.of_attempts["p1"]
    await bench.monitor.compare()
    assert bench.monitor.attempts.versions == {"p2": "1"}
    assert [attempt.uid for _, attempt in bench.cache.all_attempts()] == ["p2"]
    assert bench.queued() == [SPRING]
    text = "watch monitor: missed the deletion of a Pod"
    assert lines(caplog.records) == [("WARNING", text, {"pod": "spring-0-1"})]
    caplog.clear()
    del bench.lists.of_jobs["u2"], bench.lists.of_attempts["p2"]
    await bench.monitor.compare()
    assert (bench.monitor.jobs.versions, bench.monitor.attempts.versions) == ({"u1": "1"}, {})
    assert bench.queued() == [OTHER, SPRING]
    assert [job.key for job in bench.cache.jobs()] == [SPRING]
    extra = {"job": "other/autumn", "uid": "u2"}
    assert lines(caplog.records) == [("WARNING", "watch monitor: missed the deletion of a job", extra)]


@pytest.mark.parametrize(("namespaces", "known"), [((), set()), (("shop",), {"u9"})])
async def test_jobs_of_other_installations_are_forgotten_only_by_a_list_of_the_cluster(
    namespaces: tuple[str, ...], known: set[str]
) -> None:
    bench = Bench(*namespaces)
    bench.cache.ignore_job("u9")
    await bench.monitor.compare()
    assert bench.cache.seen() == known


async def test_a_namespace_that_cannot_be_listed_is_left_as_it_is() -> None:
    bench = Bench("shop", "other")
    bench.job(SPRING, "u1")
    bench.job(OTHER, "u2")
    bench.lists.away = {"shop"}
    bench.now += 30
    await bench.monitor.compare()
    assert [job.key for job in bench.cache.jobs()] == [SPRING]
    assert bench.monitor.details()["secondsSinceMetadataList"] == 0
    bench.lists.away = {"shop", "other"}
    bench.now += 12.34
    await bench.monitor.compare()
    assert bench.monitor.details()["secondsSinceMetadataList"] == 12.3


# --- reports -----------------------------------------------------------------------------------------------


async def missing(bench: Bench, *uids: str) -> None:
    """Versions that are listed and were not delivered."""
    for uid in uids:
        bench.lists.of_jobs[uid] = ListedObject(SPRING, "2")
    await bench.monitor.compare()


STALLED = "the watch has not delivered shop/spring at version 2 for {} s"


@pytest.mark.parametrize(
    ("seconds", "silence", "found"),
    [
        (GRACE, GRACE, [STALLED.format(55)]),
        (GRACE - 0.1, GRACE + 1, []),
        (GRACE + 1, GRACE - 0.1, []),
        (MAX_LAG, 0, [STALLED.format(300)]),
        (MAX_LAG - 0.1, 0, []),
    ],
)
async def test_a_watch_is_stalled_after_its_grace(seconds: float, silence: float, found: list[str]) -> None:
    bench = Bench()
    await missing(bench, "u1")
    bench.now += seconds - silence
    bench.monitor.jobs.note("shop", "u2", "9", deleted=False)
    bench.now += silence
    assert bench.monitor.problems() == found


async def test_a_version_that_is_missing_longer_keeps_its_time() -> None:
    bench = Bench()
    await missing(bench, "u1")
    bench.now += GRACE
    await missing(bench, "u1")
    assert bench.monitor.problems() == [STALLED.format(55)]
    bench.monitor.jobs.note("shop", "u1", "2", deleted=False)
    assert bench.monitor.problems() == []
    bench.now += GRACE
    await bench.monitor.compare()
    assert bench.monitor.details()["missingFromWatch"] == 0


async def test_at_most_three_problems_are_reported() -> None:
    bench = Bench()
    bench.problem = "the collector stopped"
    assert bench.monitor.problems() == ["the collector stopped"]
    await missing(bench, "u1", "u2")
    bench.now += GRACE
    assert bench.monitor.problems() == [STALLED.format(55)] * 2 + ["the collector stopped"]
    await missing(bench, "u1", "u2", "u3")
    bench.now += GRACE
    assert bench.monitor.problems() == [STALLED.format(110)] * 2 + [STALLED.format(55)]


async def test_the_numbers_for_healthz(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    assert bench.monitor.details() == {
        "jobs": 0,
        "attempts": 0,
        "secondsSinceMetadataList": 0,
        "missingFromWatch": 0,
        "workqueueDepth": 0,
        "longestReconcileSeconds": 0,
    }
    await missing(bench, "u1")
    bench.now += 2.345
    bench.monitor.jobs.note("shop", "u7", "1", deleted=False)
    for uid in ("p1", "p2"):
        bench.monitor.attempts.note("shop", uid, "1", deleted=False)
    for name in ("a", "b", "c"):
        bench.queues.jobs.add(Key("shop", name))
    monkeypatch.setattr(bench.queues.jobs, "longest_reconcile", lambda: (SPRING, 6.78))
    assert bench.monitor.details() == {
        "jobs": 1,
        "attempts": 2,
        "secondsSinceMetadataList": 2.3,
        "missingFromWatch": 1,
        "workqueueDepth": 3,
        "longestReconcileSeconds": 6.8,
    }
