"""One repetition: every load once, each measured by itself, with nothing left from the one before."""

from __future__ import annotations

import asyncio

from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import step
from scale.drive import Driver, Load, Observe, Times, ignore
from scale.figures import Figures, figures
from scale.freshness import Freshness
from scale.meters import Meters
from scale.objects import Kind

IMAGE_JOBS, JOBS, PODS = "ImageJobs, burst", "Jobs, burst", "Pods, burst"
MANY_PODS, ONE_JOB = "one ImageJob, many Pods", "one Job, many Pods"
STEADY = "ImageJobs, steady"
LOADS = (IMAGE_JOBS, JOBS, PODS, MANY_PODS, ONE_JOB, STEADY)
STEADY_PART = 0.7
"""The rate of the steady load, as a part of the rate of the burst before it."""
SETTLE_SECONDS = 1.0
"""What belongs to a load and follows its last end, is included."""
WARM_UP = 3


class Measuring:
    """Runs loads in one namespace and measures them."""

    def __init__(self, http: KubeHTTP, namespace: str, meters: Meters) -> None:
        self._driver = Driver(http, namespace)
        self._meters = meters

    async def warm_up(self) -> None:
        """Return when the controllers and the operator have run a few objects of each kind."""
        for kind in Kind:
            await self._driver.run(Load(kind, WARM_UP), "warm-up")
            await self._driver.delete(kind)
        await asyncio.sleep(SETTLE_SECONDS)

    async def repetition(self, jobs: int, shards: int) -> dict[str, Figures]:
        """Every load once; the steady one at a part of the rate that the burst had."""
        loads = {
            IMAGE_JOBS: Load(Kind.IMAGE_JOB, jobs),
            JOBS: Load(Kind.JOB, jobs),
            PODS: Load(Kind.POD, jobs),
            MANY_PODS: Load(Kind.IMAGE_JOB, 1, shards),
            ONE_JOB: Load(Kind.JOB, 1, shards),
        }
        found = {name: await self._one(name, load) for name, load in loads.items()}
        rate = STEADY_PART * found[IMAGE_JOBS]["perSecond"]
        found[STEADY] = await self._one(STEADY, Load(Kind.IMAGE_JOB, jobs, per_second=rate))
        return found

    async def _one(self, name: str, load: Load) -> Figures:
        with step(name):
            freshness = Freshness()
            observe = freshness.observe if load.per_second else ignore
            found = await self._measured(load, observe, freshness)
        with step("deletion"):
            await self._driver.delete(load.kind)
            # The garbage collector and KWOK may have requests left.
            await asyncio.sleep(SETTLE_SECONDS)
        return found

    async def _measured(self, load: Load, observe: Observe, freshness: Freshness) -> Figures:
        resident: list[int] = []
        sampling = asyncio.create_task(self._meters.sample_memory(resident))
        try:
            before = self._meters.read()
            times: Times = await self._driver.run(load, "scale", observe)
            await asyncio.sleep(SETTLE_SECONDS)
            used = self._meters.since(before)
        finally:
            sampling.cancel()
        return figures(load, times, used, resident, freshness.lags())
