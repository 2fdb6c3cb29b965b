"""The queue of keys: one reconcile per key at a time, nothing lost, no key starved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fakes.jumping_loop import run
from imagejob_operator.api.imagejob import Key
from imagejob_operator.controller.workqueue import WorkQueue

A, B, C = Key("shop", "a"), Key("shop", "b"), Key("shop", "c")
SOON = 5


class Reconciles:
    """Reconciles that a test sees, and holds."""

    def __init__(self) -> None:
        self.begun: list[Key] = []
        self.held: dict[Key, asyncio.Event] = {}
        self.under_way: set[Key] = set()
        self.most = 0
        self.failing: set[Key] = set()
        self._changed = asyncio.Condition()

    async def __call__(self, key: Key) -> None:
        assert key not in self.under_way, "two turns of one key at once"
        self.under_way.add(key)
        self.most = max(self.most, len(self.under_way))
        self.begun.append(key)
        async with self._changed:
            self._changed.notify_all()
        try:
            if key in self.failing:
                self.failing.discard(key)
                raise RuntimeError("a planted fault")
            if key in self.held:
                await self.held[key].wait()
        finally:
            self.under_way.discard(key)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(SOON), self._changed:
            await self._changed.wait_for(lambda: len(self.begun) >= count)

    def hold(self, key: Key) -> asyncio.Event:
        self.held[key] = asyncio.Event()
        return self.held[key]


@pytest.fixture
def reconciles() -> Reconciles:
    return Reconciles()


@pytest.fixture
async def queue(reconciles: Reconciles) -> AsyncIterator[WorkQueue]:
    made = WorkQueue(workers=4)
    made.start(reconciles)
    yield made
    await made.stop()


async def test_a_key_has_one_reconcile_at_a_time_and_another_after_it(
    queue: WorkQueue, reconciles: Reconciles
) -> None:
    go = reconciles.hold(A)
    queue.add(A)
    await reconciles.until(1)
    for _ in range(5):
        queue.add(A)
    assert reconciles.begun == [A]
    go.set()
    await reconciles.until(2)
    queue.add(B)
    await reconciles.until(3)
    assert reconciles.begun == [A, A, B], "five requests during a reconcile are one reconcile after it"


async def test_requests_before_a_reconcile_are_one(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=2)
    for _ in range(3):
        queue.add(A)
    queue.add(B)
    assert len(queue) == 2
    queue.start(reconciles)
    await reconciles.until(2)
    await queue.stop()
    assert sorted(reconciles.begun) == [A, B]


async def test_keys_are_worked_on_side_by_side(queue: WorkQueue, reconciles: Reconciles) -> None:
    first, second = reconciles.hold(A), reconciles.hold(B)
    queue.add(A)
    queue.add(B)
    await reconciles.until(2)
    assert reconciles.most == 2
    first.set()
    second.set()


async def test_a_namespace_with_many_keys_does_not_starve_another(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=1)
    for i in range(50):
        queue.add(Key("crowd", str(i)))
    queue.add(Key("alone", "x"))
    queue.start(reconciles)
    await reconciles.until(51)
    await queue.stop()
    assert reconciles.begun.index(Key("alone", "x")) <= 1


async def test_reconciles_that_hang_leave_workers_to_other_namespaces(
    queue: WorkQueue, reconciles: Reconciles
) -> None:
    crowd = [Key("crowd", str(i)) for i in range(50)]
    gates = [reconciles.hold(key) for key in crowd]
    for key in crowd:
        queue.add(key)
    await reconciles.until(2)
    queue.add(A)
    await reconciles.until(3)
    assert reconciles.begun == [*crowd[:2], A], "one namespace has half of the four workers"
    for gate in gates:
        gate.set()


def test_the_time_in_the_queue_is_reported_once_a_key_is_taken() -> None:
    async def scenario() -> list[tuple[str, float]]:
        waited: list[tuple[str, float]] = []
        reconciles = Reconciles()
        queue = WorkQueue("jobs", workers=1, waited=lambda name, seconds: waited.append((name, seconds)))
        queue.add(A)
        queue.add_after(B, 3)
        await asyncio.sleep(7)
        queue.start(reconciles)
        await reconciles.until(2)
        await queue.stop()
        return waited

    assert run(scenario()) == [("jobs", 7), ("jobs", 4)]


async def test_keys_of_a_namespace_keep_their_order(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=1)
    keys = [Key("shop", str(i)) for i in range(9)]
    for key in keys:
        queue.add(key)
    queue.start(reconciles)
    await reconciles.until(9)
    await queue.stop()
    assert reconciles.begun == keys


async def test_what_has_begun_comes_before_what_has_not(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=1, begun=lambda key: key.name.startswith("begun"))
    for name in ("new-1", "begun-1", "new-2", "begun-2"):
        queue.add(Key("shop", name))
    queue.start(reconciles)
    await reconciles.until(4)
    await queue.stop()
    assert [key.name for key in reconciles.begun] == ["begun-1", "begun-2", "new-1", "new-2"]


async def test_what_has_begun_in_one_namespace_does_not_delay_another(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=1, begun=lambda key: key.namespace == "shop")
    for number in range(5):
        queue.add(Key("shop", str(number)))
    queue.add(Key("other", "new"))
    queue.start(reconciles)
    await reconciles.until(6)
    await queue.stop()
    assert Key("other", "new") in reconciles.begun[:2]


async def test_a_later_turn_comes_when_it_is_due(queue: WorkQueue, reconciles: Reconciles) -> None:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    queue.add_after(A, 0.05)
    await reconciles.until(1)
    assert loop.time() - begun >= 0.049


async def test_the_earliest_request_counts_and_gives_one_reconcile(
    queue: WorkQueue, reconciles: Reconciles
) -> None:
    queue.add_after(A, 60)
    queue.add_after(A, 0.02)
    queue.add_after(A, 30)
    await reconciles.until(1)
    queue.add_after(B, 0.02)
    await reconciles.until(2)
    assert reconciles.begun == [A, B]


async def test_a_timer_set_while_the_workers_sleep_on_a_longer_one_is_kept(
    queue: WorkQueue, reconciles: Reconciles
) -> None:
    queue.add_after(A, 60)
    await asyncio.sleep(0)
    queue.add_after(B, 0.01)
    await reconciles.until(1)
    assert reconciles.begun == [B]


async def test_a_reconcile_now_replaces_the_later_one(queue: WorkQueue, reconciles: Reconciles) -> None:
    queue.add_after(A, 0.02)
    queue.add(A)
    await reconciles.until(1)
    queue.add_after(B, 0.05)
    await reconciles.until(2)
    assert reconciles.begun == [A, B]


async def test_a_failed_reconcile_does_not_end_its_worker_and_is_requeued_with_backoff(
    reconciles: Reconciles, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = WorkQueue(workers=1, random=lambda: 0.0)
    pauses: list[tuple[Key, float]] = []
    monkeypatch.setattr(queue, "add_after", lambda key, seconds: pauses.append((key, seconds)))
    queue.start(reconciles)
    for reconcile, failing in enumerate((True, True, True, True, False, True)):
        reconciles.failing = {A} if failing else set()
        queue.add(A)
        await reconciles.until(reconcile + 1)
    queue.add(B)
    await reconciles.until(7)
    await queue.stop()
    assert pauses == [(A, 2.0), (A, 4.0), (A, 8.0), (A, 10.0), (A, 2.0)], "a good turn ends the count"


async def test_keys_that_fail_together_do_not_come_again_together(reconciles: Reconciles) -> None:
    draws = iter((0.0, 1.0))
    queue = WorkQueue(random=lambda: next(draws))
    now = asyncio.get_running_loop().time()
    queue.retry(A)
    queue.retry(B)
    assert [round(queue._timers[key].when() - now) for key in (A, B)] == [2, 1]


async def test_what_is_gone_has_no_failures_any_more(reconciles: Reconciles) -> None:
    queue = WorkQueue(random=lambda: 0.0)
    queue.retry(A)
    queue.forget(A)
    assert (queue._failures, queue._timers) == ({}, {})


async def test_thousands_of_keys_all_get_their_turn(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=8)
    queue.start(reconciles)
    keys = {Key(f"n{i % 7}", str(i)) for i in range(2000)}
    for key in keys:
        queue.add(key)
    await reconciles.until(2000)
    await queue.stop()
    assert set(reconciles.begun) == keys


async def test_an_earlier_reconcile_removes_the_timer(reconciles: Reconciles) -> None:
    queue = WorkQueue(workers=1)
    queue.start(reconciles)
    queue.add_after(B, 300)
    kept, needless = queue._timers[B], []
    for reconcile in range(3):
        for seconds in (300, 200):
            queue.add_after(A, seconds)
            needless.append(queue._timers[A])
        queue.add(A)
        await reconciles.until(reconcile + 1)
    assert all(timer.cancelled() for timer in needless)
    assert queue._timers == {B: kept}
    assert not kept.cancelled()
    await queue.stop()
    assert kept.cancelled(), "a queue that has stopped leaves no timer behind"


async def test_a_forgotten_key_is_not_reconciled(queue: WorkQueue, reconciles: Reconciles) -> None:
    queue.add_after(A, 0.01)
    queue.forget(A)
    queue.add_after(B, 0.05)
    await reconciles.until(1)
    assert reconciles.begun == [B]


@pytest.mark.parametrize("when", ["in-a-reconcile", "between-turns"])
async def test_a_worker_cancelled_without_a_shutdown_continues(reconciles: Reconciles, when: str) -> None:
    """As a client's timer does that fires when its request has just been answered."""
    queue = WorkQueue(workers=1)
    queue.start(reconciles)
    (worker,) = queue._tasks
    go = reconciles.hold(A)
    queue.add(A)
    await reconciles.until(1)
    if when == "between-turns":
        go.set()
        await asyncio.sleep(0)
    worker.cancel()
    queue.add(B)
    await reconciles.until(2)
    assert reconciles.begun == [A, B]
    assert queue.problems() == []
    assert (A in queue._timers) == (when == "in-a-reconcile"), "a reconcile that was interrupted is repeated"
    await queue.stop()
    assert worker.cancelled()
