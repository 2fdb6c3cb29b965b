"""Tenants that take slots of a limiter, hold them, give them back, and are cancelled, in any order."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

from hypothesis import strategies as st

from imagejob_operator.fairness import FairLimiter, working_for

FLOWS = [f"tenant-{number}" for number in range(6)]

Step = tuple[str, int]
"""What happens, and to which flow, holder or waiter, modulo how many there are."""

slots = st.integers(1, 9)
one_step = st.tuples(
    st.sampled_from(["arrive", "arrive", "arrive", "leave", "leave", "cancel"]), st.integers(0, 50)
)
steps = st.lists(one_step, max_size=120)


@dataclass(eq=False)
class Tenant:
    """A task that takes a slot and holds it."""

    flow: str
    task: asyncio.Task[None] | None = None
    leave: asyncio.Event | None = None
    holds: bool = False
    patience: int | None = None
    """How many slots other flows may get before this tenant, the first one of a flow that holds none."""


class Crowd:
    """Plays steps on a limiter, and checks after each of them that it was fair."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.limiter = FairLimiter("crowd", slots)
        self.tenants: list[Tenant] = []
        self.granted: list[Tenant] = []
        """Tenants that got a slot in the current step."""

    def holders(self) -> list[Tenant]:
        return [tenant for tenant in self.tenants if tenant.holds]

    def waiting(self) -> list[Tenant]:
        return [tenant for tenant in self.tenants if not tenant.holds]

    async def play(self, steps: list[Step]) -> None:
        for what, number in steps:
            match what:
                case "arrive":
                    self._arrive(FLOWS[number % len(FLOWS)])
                case "leave" if holders := self.holders():
                    await self._end(holders[number % len(holders)], cancel=False)
                case "cancel" if self.tenants:
                    await self._end(self.tenants[number % len(self.tenants)], cancel=True)
            await self._settle()
            self._check()
        while self.tenants:
            holders = self.holders()
            assert holders, "tenants wait, and none holds a slot"
            await self._end(holders[0], cancel=False)
            await self._settle()
        queue = self.limiter._queue
        assert (queue.free, dict(queue._held), dict(queue._waiting)) == (self.slots, {}, {}), (
            "something is left"
        )

    def _arrive(self, flow: str) -> None:
        tenant = Tenant(flow, leave=asyncio.Event())
        self.tenants.append(tenant)
        with working_for(flow, "test"):
            tenant.task = asyncio.create_task(self._hold(tenant))

    async def _hold(self, tenant: Tenant) -> None:
        assert tenant.leave
        async with self.limiter.slot():
            tenant.holds = True
            self.granted.append(tenant)
            await tenant.leave.wait()

    async def _end(self, tenant: Tenant, cancel: bool) -> None:
        assert tenant.leave
        assert tenant.task
        if cancel:
            tenant.task.cancel()
        tenant.leave.set()
        await asyncio.wait([tenant.task])
        self.tenants.remove(tenant)

    async def _settle(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    def _check(self) -> None:
        held = Counter(tenant.flow for tenant in self.holders())
        free = self.slots - held.total()
        assert free >= 0, "more slots are held than there are"
        for tenant in self.granted:
            assert held[tenant.flow] <= free + 1, "a flow took a slot that others were to find free"
        flows: set[str] = set()
        for tenant in self.waiting():
            assert held[tenant.flow] >= free, "a slot is free that a waiting flow may take"
            first = tenant.flow not in flows and not held[tenant.flow]
            flows.add(tenant.flow)
            if not first:
                tenant.patience = None
            elif tenant.patience is None:
                tenant.patience = len({other.flow for other in self.waiting()})
            else:
                tenant.patience -= len(self.granted)
                assert tenant.patience >= 0, "a flow without slots waited while another flow got two slots"
        self.granted.clear()
