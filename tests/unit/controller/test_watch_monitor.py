"""A watch that is silent, a reconcile that never ends, a deletion that was not delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from fakes.build import NOW
from fakes.jumping_loop import run
from imagejob_operator.api.imagejob import Identity, Key, parse_job
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import (
    CHECK_PERIOD,
    GRACE,
    LIST_PERIOD,
    MAX_LAG,
    WatchMonitor,
    WatchStalled,
    newer,
)
from imagejob_operator.controller.workqueue import (
    MAX_RECONCILE_SECONDS,
    MAX_STALLED_CHECKS,
    Queues,
    WorkQueue,
)
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.garbage.collector import GarbageCollector
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.ports.imagejobs import Unavailable
from imagejob_operator.ports.metadata_list import ListedObject

KEY = Key("shop", "spring")
PROMISE = 90.0


class Count:
    """See the port MetadataLister: it lists what the test sets."""

    def __init__(self) -> None:
        self.of_jobs: dict[str, ListedObject] = {}
        self.of_attempts: dict[str, ListedObject] = {}
        self.fails = False

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        if self.fails:
            raise Unavailable("503")
        return dict(self.of_jobs)

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        return dict(self.of_attempts)


class Watched:
    """A process with its watch monitor, on a loop whose time jumps."""

    def __init__(self, namespaces: tuple[str, ...] = ()) -> None:
        self.reconciles: list[Key] = []
        self.cache, self.metadata_lister = Cache(), Count()
        self.queue = WorkQueue(workers=2)
        self.loop = asyncio.get_running_loop()
        self.stores = WorkQueue("imagestores", workers=2)
        self.garbage_schedule = GarbageSchedule(dict, self._no_collector, self._clean, 900)
        self.watch_monitor = WatchMonitor(
            self.metadata_lister,
            self.cache,
            Queues(self.queue, self.stores),
            (self.garbage_schedule.failure,),
            WatchedNamespaces(namespaces),
            clock=self.loop.time,
        )
        self.hold = asyncio.Event()
        self.hold.set()
        self.stubborn = False
        """Whether a reconcile that is held cannot be cancelled, like a call in a thread."""
        self.queue.start(self._reconcile)
        self.stores.start(self._reconcile)

    def _no_collector(self, store: Any, telemetry: Any) -> GarbageCollector:
        raise AssertionError("there is no store")

    async def _clean(self, uid: str) -> None:
        raise AssertionError("there is no store")

    async def _reconcile(self, key: Key) -> None:
        self.reconciles.append(key)
        try:
            await self.hold.wait()
        finally:
            if self.stubborn:
                await self.hold.wait()

    def change(self, version: str, delivered: bool = True) -> None:
        """The job changes; the watch delivers it or does not."""
        self.metadata_lister.of_jobs["u1"] = ListedObject(KEY, version)
        if delivered:
            self.watch_monitor.jobs.note("shop", "u1", version, deleted=False)

    def go_on_about_another(self, namespace: str, number: int = 1) -> None:
        """The watches tell of another job, again and again."""
        self.metadata_lister.of_jobs["u2"] = ListedObject(Key(namespace, "other"), str(number))
        self.watch_monitor.jobs.note(namespace, "u2", str(number), deleted=False)
        self.loop.call_later(10, self.go_on_about_another, namespace, number + 1)

    async def deaf_after(self, longest: float) -> tuple[float, str]:
        """Seconds until the watch monitor gives the process up, and why."""
        begun = self.loop.time()
        with pytest.raises(WatchStalled) as caught:
            async with asyncio.timeout(longest):
                await self.watch_monitor.run()
        return self.loop.time() - begun, str(caught.value)

    async def is_well_for(self, seconds: float) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.watch_monitor.run()

    async def close(self) -> None:
        self.hold.set()
        await self.queue.stop()
        await self.stores.stop()


def play(scenario: Any, namespaces: tuple[str, ...] = ()) -> None:
    async def whole() -> None:
        watched = Watched(namespaces)
        try:
            await scenario(watched)
        finally:
            await watched.close()

    run(whole())


def test_a_watch_that_goes_silent_is_noticed_within_90_seconds() -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        await w.is_well_for(600)
        w.change("2", delivered=False)
        seconds, why = await w.deaf_after(PROMISE)
        assert GRACE <= seconds <= PROMISE
        assert "shop/spring at version 2" in why
        assert w.watch_monitor.problems()

    play(scenario)


def test_the_lag_of_a_watch_is_shown() -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        w.change("2", delivered=False)
        await w.is_well_for(LIST_PERIOD + 5)
        assert 5 <= w.watch_monitor.lag() <= LIST_PERIOD + 5
        assert w.watch_monitor.checked_age() <= LIST_PERIOD
        w.watch_monitor.jobs.note("shop", "u1", "2", False)
        assert w.watch_monitor.lag() == 0

    play(scenario)


def test_also_when_the_change_comes_just_after_a_comparison() -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        w.loop.call_later(1, w.change, "2", False)
        seconds, _ = await w.deaf_after(1 + PROMISE)
        assert LIST_PERIOD < seconds <= 1 + PROMISE

    play(scenario)


def test_a_watch_that_delivers_in_time_is_not_silent() -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        w.change("2", delivered=False)
        w.loop.call_later(GRACE - 5, w.watch_monitor.jobs.note, "shop", "u1", "2", False)
        await w.is_well_for(900)
        assert w.watch_monitor.details()["missingFromWatch"] == 0

    play(scenario)


@pytest.mark.parametrize(
    ("namespaces", "other"), [((), "other"), (("shop", "other"), "shop")], ids=["one watch", "its own watch"]
)
def test_a_watch_that_is_behind_is_given_more_time_but_not_for_ever(
    namespaces: tuple[str, ...], other: str
) -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        w.go_on_about_another(other)
        w.change("2", delivered=False)
        seconds, _ = await w.deaf_after(MAX_LAG + PROMISE)
        assert seconds >= MAX_LAG

    play(scenario, namespaces)


def test_events_of_another_namespace_are_no_sign_of_life() -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        w.go_on_about_another("other")
        w.change("2", delivered=False)
        seconds, why = await w.deaf_after(PROMISE)
        assert seconds >= GRACE
        assert "shop/spring" in why

    play(scenario, ("shop", "other"))


def test_a_job_that_changes_on_and_on_is_no_sign_of_deafness() -> None:
    async def scenario(w: Watched) -> None:
        def change(number: int) -> None:
            # The watch is always five seconds behind.
            w.change(str(number), delivered=False)
            w.loop.call_later(5, w.watch_monitor.jobs.note, "shop", "u1", str(number), False)
            w.loop.call_later(6, change, number + 1)

        change(1)
        await w.is_well_for(900)

    play(scenario)


def test_an_api_server_that_is_away_is_no_sign_of_deafness() -> None:
    async def scenario(w: Watched) -> None:
        w.change("1")
        w.metadata_lister.fails = True
        await w.is_well_for(3600)

    play(scenario)


def test_a_reconcile_that_takes_too_long_is_cancelled_and_retried() -> None:
    async def scenario(w: Watched) -> None:
        w.hold.clear()
        w.queue.add(KEY)
        w.stores.add(KEY)
        await w.is_well_for(MAX_RECONCILE_SECONDS + LIST_PERIOD + 1)
        assert len(w.reconciles) >= 4

    play(scenario)


def test_a_reconcile_that_never_ends_is_noticed() -> None:
    async def scenario(w: Watched) -> None:
        w.stubborn = True
        w.hold.clear()
        w.queue.add(KEY)
        seconds, why = await w.deaf_after(MAX_RECONCILE_SECONDS + LIST_PERIOD + 1)
        assert seconds >= MAX_RECONCILE_SECONDS
        assert "the reconcile of shop/spring" in why

    play(scenario)


def test_workers_that_have_ended_are_noticed() -> None:
    async def scenario(w: Watched) -> None:
        w.queue._tasks[0].cancel()
        _, why = await w.deaf_after(LIST_PERIOD + 1)
        assert "work queue jobs: 1 workers have exited unexpectedly" in why

    play(scenario)


def test_the_queue_of_stores_is_looked_after_as_well() -> None:
    async def scenario(w: Watched) -> None:
        w.stores._tasks[0].cancel()
        _, why = await w.deaf_after(LIST_PERIOD + 1)
        assert "work queue imagestores: 1 workers have exited unexpectedly" in why

    play(scenario)


@pytest.mark.parametrize("later", [0.0, 3.0], ids=["ready", "due"])
def test_a_stuck_queue_is_noticed(later: float) -> None:
    # Planted: no worker is woken, so they sleep beside a key that waits.
    async def scenario(w: Watched) -> None:
        await asyncio.sleep(1)
        vars(w.queue)["_wake"] = lambda: None
        if later:
            w.queue.add_after(KEY, later)
        else:
            w.queue.add(KEY)
        seconds, why = await w.deaf_after(2 * MAX_STALLED_CHECKS * CHECK_PERIOD)
        assert MAX_STALLED_CHECKS * CHECK_PERIOD - CHECK_PERIOD <= seconds <= PROMISE
        assert "work queue jobs: stalled" in why
        assert w.reconciles == []

    play(scenario)


def test_a_queue_whose_workers_are_all_at_work_does_not_stand_still() -> None:
    async def scenario(w: Watched) -> None:
        w.stubborn = True
        w.hold.clear()
        for name in ("a", "b", "c"):
            w.queue.add(Key("shop", name))
        seconds, why = await w.deaf_after(MAX_RECONCILE_SECONDS + LIST_PERIOD + 1)
        assert seconds >= MAX_RECONCILE_SECONDS
        assert "stalled" not in why

    play(scenario)


def test_a_collector_that_has_ended_is_noticed() -> None:
    # Planted: a round raises, which none does.
    async def scenario(w: Watched) -> None:
        def breaks() -> None:
            raise KeyError("planted")

        vars(w.garbage_schedule)["_refresh"] = breaks
        w.garbage_schedule.start()
        _, why = await w.deaf_after(LIST_PERIOD + 1)
        assert why == "the garbage collector stopped unexpectedly: KeyError('planted')"

    play(scenario)


def test_a_stopping_process_is_not_ended_by_the_monitor() -> None:
    async def scenario(w: Watched) -> None:
        w.garbage_schedule.start()
        w.queue.add(KEY)
        await asyncio.sleep(1)
        w.queue.add(KEY)
        await w.close()
        await w.garbage_schedule.stop()
        await w.is_well_for(2 * PROMISE)

    play(scenario)


def test_a_job_whose_end_was_missed_is_forgotten() -> None:
    async def scenario(w: Watched) -> None:
        metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": "1"}
        w.cache.put_job(parse_job({"metadata": metadata}))
        w.change("1")
        await w.watch_monitor.compare()
        assert w.cache.job(KEY)
        del w.metadata_lister.of_jobs["u1"]
        await w.watch_monitor.compare()
        assert w.cache.job(KEY) is None
        await asyncio.sleep(1)
        assert w.reconciles == [KEY]
        assert w.watch_monitor.jobs.versions == {}

    play(scenario)


def test_a_pod_whose_end_was_missed_is_a_disruption() -> None:
    async def scenario(w: Watched) -> None:
        metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": "1"}
        w.cache.put_job(parse_job({"metadata": metadata}))
        w.change("1")
        w.cache.put_attempt(Identity(KEY, "u1"), Attempt("spring-0-1", "p1", 1, 0, 1, State.RUNNING, NOW))
        w.watch_monitor.attempts.note("shop", "p1", "5", deleted=False)
        w.metadata_lister.of_attempts["p1"] = ListedObject(KEY, "5")
        await w.watch_monitor.compare()
        assert w.reconciles == []
        w.metadata_lister.of_attempts.clear()
        await w.watch_monitor.compare()
        await asyncio.sleep(1)
        assert w.reconciles == [KEY]
        (attempt,) = w.cache.attempts(Identity(KEY, "u1"))
        assert attempt.gone
        assert attempt.state is State.FAILED

    play(scenario)


def test_an_answer_that_came_after_its_object_was_gone_is_forgotten() -> None:
    """The watch delivered the end first, so it will never be delivered again."""

    async def scenario(w: Watched) -> None:
        metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": "1"}
        w.cache.put_job(parse_job({"metadata": metadata}))
        w.cache.put_attempt(Identity(KEY, "u1"), Attempt("spring-0-1", "p1", 1, 0, 1, State.RUNNING, NOW))
        w.cache.ignore_job("u2")
        await w.watch_monitor.compare()
        assert w.cache.seen() == set()
        assert list(w.cache.all_attempts()) == []

    play(scenario)


def test_an_answer_that_came_during_the_comparison_is_not_taken_for_gone() -> None:
    async def scenario(w: Watched) -> None:
        metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": "1"}

        class Slow(Count):
            async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
                answer = await super().jobs(namespaces)
                w.cache.put_job(parse_job({"metadata": metadata}))
                return answer

        w.watch_monitor._metadata_lister = Slow()
        await w.watch_monitor.compare()
        assert w.cache.job(KEY)

    play(scenario)


def test_what_came_during_the_comparison_is_not_taken_for_gone() -> None:
    async def scenario(w: Watched) -> None:
        class Slow(Count):
            async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
                answer = await super().jobs(namespaces)
                w.watch_monitor.jobs.note("shop", "u9", "9", deleted=False)
                return answer

        w.watch_monitor._metadata_lister = Slow()
        await w.watch_monitor.compare()
        assert w.watch_monitor.jobs.versions == {"u9": "9"}

    play(scenario)


@pytest.mark.parametrize(
    ("version", "than", "answer"),
    [("10", "9", True), ("9", "10", False), ("9", "9", False), ("a", "b", True), ("a", "a", False)],
)
def test_versions_are_numbers_where_they_can_be(version: str, than: str, answer: bool) -> None:
    assert newer(version, than) is answer
