"""Who is in charge: at most one at any moment, whatever fails, and soon somebody again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fakes.hooks import Gate
from fakes.jumping_loop import run
from fakes.memory_lease import LeaseLine, MemoryLease
from imagejob_operator.controller.leader_election import (
    ACQUIRE_PERIOD,
    CALL_TIMEOUT,
    LEASE_DURATION,
    RENEW_DEADLINE,
    RETRY_PERIOD,
    LeaderElector,
    LeaseLost,
)
from imagejob_operator.ports.imagejobs import Forbidden, Unavailable

TAKEOVER = LEASE_DURATION + 2 * ACQUIRE_PERIOD
TICK = 0.25

Scenario = Callable[["Election"], Awaitable[None]]


class Replica:
    """One process: an elector, its line to the lease, and a clock of its own."""

    def __init__(self, lease: MemoryLease, name: str, late: float = 0) -> None:
        self.name = name
        self._late = late
        self.line = LeaseLine(lease)
        self.ahead = 1000.0 * len(name)
        self.lost = ""
        self.elector = LeaderElector(self.line, name, lambda: asyncio.get_running_loop().time() + self.ahead)
        self.task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        await asyncio.sleep(self._late)
        try:
            await self.elector.acquire()
            await self.elector.renew()
        except LeaseLost as error:
            assert not self.elector.is_leader(), "the gate must be closed before anybody hears of it"
            self.lost = str(error)

    def kill(self) -> None:
        self.task.cancel()

    async def stop(self) -> None:
        self.task.cancel()
        await self.elector.release()

    def hang(self) -> Gate:
        """Its calls do not return any more."""
        gate = Gate("write")
        self.line.hooks.install(gate)
        self.line.hooks.install(Gate("read"))
        return gate


class Election:
    """Two replicas, and an eye on both."""

    def __init__(self) -> None:
        self.lease = MemoryLease()
        self.a, self.b = Replica(self.lease, "a"), Replica(self.lease, "bb", TICK)
        self.unwatched: set[str] = set()

    def leaders(self) -> list[str]:
        found = [r.name for r in (self.a, self.b) if r.elector.is_leader() and r.name not in self.unwatched]
        assert len(found) < 2, "two leaders"
        return found

    async def until(self, holds: Callable[[], bool], within: float) -> float:
        """The seconds until something holds; at every moment there is at most one leader."""
        timer = asyncio.get_running_loop()
        begun = timer.time()
        while not holds():
            self.leaders()
            assert timer.time() - begun <= within, f"not within {within} s: {self.leaders()}"
            await asyncio.sleep(TICK)
        return timer.time() - begun

    async def lasts(self, seconds: float) -> None:
        """The leader stays for that long."""
        before = self.leaders()
        for _ in range(int(seconds / TICK)):
            await asyncio.sleep(TICK)
            assert self.leaders() == before


def scenario(test: Scenario) -> Callable[[], None]:
    async def play() -> None:
        election = Election()
        await election.until(lambda: bool(election.leaders()), RETRY_PERIOD)
        assert election.leaders() == ["a"]
        await test(election)

    def wrapper() -> None:
        run(play())

    wrapper.__name__ = test.__name__
    return wrapper


@scenario
async def test_one_leads_and_stays(election: Election) -> None:
    await election.lasts(600)
    assert election.lease.record is not None
    assert election.lease.record.transitions == 0
    assert election.b.line.hooks.count("write") == 0, "a follower writes nothing"


@scenario
async def test_a_killed_holder_is_followed(election: Election) -> None:
    await election.lasts(30)
    election.a.kill()
    took = await election.until(lambda: election.leaders() == ["bb"], TAKEOVER)
    assert took >= RENEW_DEADLINE - RETRY_PERIOD
    assert election.lease.record is not None
    assert election.lease.record.transitions == 1


@scenario
async def test_a_graceful_stop_lets_the_next_one_in_at_once(election: Election) -> None:
    await election.a.stop()
    assert election.lease.holder == ""
    assert not election.leaders()
    await election.until(lambda: election.leaders() == ["bb"], ACQUIRE_PERIOD)


@scenario
async def test_a_stop_while_a_renewal_is_active_releases_too(election: Election) -> None:
    held = Gate("write")
    election.a.line.hooks.install(held)
    await held.reached.wait()
    election.a.line.hooks.remove(held)
    # The renewal that timed out has taken effect nevertheless.
    election.lease.put("a", election.lease.record)
    await election.a.stop()
    assert election.lease.holder == ""


@scenario
async def test_a_hanging_api_server_ends_the_holder_before_its_lease_does(election: Election) -> None:
    await election.lasts(RETRY_PERIOD)
    election.a.hang()
    await election.until(lambda: bool(election.a.lost), RENEW_DEADLINE + TICK)
    assert election.a.lost == "the lease was not renewed before the deadline: TimeoutError"
    await election.until(lambda: election.leaders() == ["bb"], TAKEOVER)


@scenario
async def test_a_renewal_does_not_last_longer_than_the_leadership(election: Election) -> None:
    fault = election.a.line.hooks.fail(Unavailable("503"))
    await asyncio.sleep(RENEW_DEADLINE - RETRY_PERIOD - TICK)
    assert not election.a.lost
    election.a.line.hooks.remove(fault)
    election.a.hang()
    await election.until(lambda: bool(election.a.lost), RETRY_PERIOD + 2 * TICK)


@scenario
async def test_a_call_that_hangs_once_costs_nothing(election: Election) -> None:
    gate = Gate("write")
    election.a.line.hooks.install(gate)
    await gate.reached.wait()
    await asyncio.sleep(CALL_TIMEOUT)
    election.a.line.hooks.remove(gate)
    await election.lasts(60)


@scenario
async def test_errors_for_less_than_the_deadline_cost_nothing(election: Election) -> None:
    fault = election.a.line.hooks.fail(Unavailable("503"))
    await asyncio.sleep(RENEW_DEADLINE - 2 * RETRY_PERIOD)
    election.a.line.hooks.remove(fault)
    await election.lasts(60)


@pytest.mark.parametrize("error", [Unavailable("503"), Forbidden("no RBAC")], ids=["503", "403"])
def test_errors_for_longer_end_the_holder(error: Exception) -> None:
    @scenario
    async def play(election: Election) -> None:
        election.a.line.hooks.fail(error)
        await election.until(lambda: bool(election.a.lost), RENEW_DEADLINE + RETRY_PERIOD)
        assert str(error) in election.a.lost
        await election.until(lambda: election.leaders() == ["bb"], TAKEOVER)

    play()


@scenario
async def test_lost_answers_of_the_holder_cost_nothing(election: Election) -> None:
    election.a.line.hooks.fail(Unavailable("cut"), "write", times=3, lost_answer=True)
    await election.lasts(60)


def test_a_lost_answer_to_the_first_write_is_found_again() -> None:
    async def play() -> None:
        election = Election()
        election.a.line.hooks.fail(Unavailable("cut"), "write", times=1, lost_answer=True)
        await election.until(lambda: election.leaders() == ["a"], 2 * RETRY_PERIOD)
        await election.lasts(60)

    run(play())


@scenario
async def test_a_holder_whose_lease_was_taken_ends_at_its_next_renewal(election: Election) -> None:
    election.lease.put("stranger", election.lease.record)
    await election.until(lambda: bool(election.a.lost), RETRY_PERIOD + TICK)
    assert "stranger" in election.a.lost


@scenario
async def test_a_frozen_holder_finds_its_gate_closed_when_it_goes_on(election: Election) -> None:
    election.a.hang()
    election.unwatched.add("a")
    await asyncio.sleep(RETRY_PERIOD)  # the time in which it may have renewed
    election.a.ahead += 3600
    assert not election.a.elector.is_leader(), "before any of its own code has run"
    await election.until(lambda: election.leaders() == ["bb"], TAKEOVER)
    await election.until(lambda: bool(election.a.lost), CALL_TIMEOUT)


@scenario
async def test_a_process_that_stood_still_ends_though_it_could_renew(election: Election) -> None:
    election.a.ahead += RENEW_DEADLINE
    await election.until(lambda: bool(election.a.lost), RETRY_PERIOD + TICK)
    assert "paused" in election.a.lost


@scenario
async def test_a_follower_that_stood_still_takes_nothing_from_who_renews(election: Election) -> None:
    election.b.ahead += 3600
    await election.lasts(60)
    assert election.b.line.hooks.count("write") == 0


@scenario
async def test_a_deleted_lease_is_created_again_by_its_holder(election: Election) -> None:
    await election.lasts(RETRY_PERIOD)
    election.lease.record = None
    await election.lasts(60)
    assert election.lease.holder == "a"


@scenario
async def test_a_deleted_lease_of_a_dead_holder_is_taken(election: Election) -> None:
    await election.lasts(RETRY_PERIOD)
    election.a.kill()
    election.lease.record = None
    await election.until(lambda: election.leaders() == ["bb"], TAKEOVER)


@scenario
async def test_a_restarted_holder_continues_under_its_name_at_once(election: Election) -> None:
    election.a.kill()
    election.unwatched.add("a")
    election.a = Replica(election.lease, "a")
    election.unwatched.clear()
    await election.until(lambda: election.a.elector.is_leader(), RETRY_PERIOD)


@scenario
async def test_both_want_it_at_once_and_one_gets_it(election: Election) -> None:
    election.a.kill()
    other = Replica(election.lease, "ccc")
    leading: Callable[[], list[Any]] = lambda: [r for r in (election.b, other) if r.elector.is_leader()]  # noqa: E731
    await election.until(lambda: len(leading()) == 1, TAKEOVER)
    for _ in range(200):
        await asyncio.sleep(TICK)
        assert len(leading()) == 1


@scenario
async def test_releasing_what_is_lost_or_never_was_ours_writes_nothing(election: Election) -> None:
    await election.b.stop()
    assert election.b.line.hooks.count("write") == 0
    election.lease.put("stranger", election.lease.record)
    await election.a.stop()
    assert election.lease.holder == "stranger"


def test_the_spans_leave_room_for_each_other() -> None:
    assert 2 * CALL_TIMEOUT <= RENEW_DEADLINE < LEASE_DURATION
    assert RETRY_PERIOD + CALL_TIMEOUT < RENEW_DEADLINE
    assert LEASE_DURATION - RENEW_DEADLINE >= CALL_TIMEOUT
