"""When the objects of a namespace appeared, changed and ended, as watches delivered it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic

from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from scale.drive import LoadFailed
from scale.objects import Kind
from simulated.api import Object, follow


class Timeline:
    """The ImageJobs and Pods of one namespace, as they were seen last, with the times of their changes."""

    def __init__(self) -> None:
        self.first: dict[tuple[Kind, str], float] = {}
        """When each object was seen first, by kind and name."""
        self.phases: dict[tuple[Kind, str, str], float] = {}
        """When each object was first seen in each of its phases."""
        self.container_ended: dict[str, float] = {}
        """When the container of each Pod was first seen to have ended; the phase of the Pod follows later."""
        self.objects: dict[tuple[Kind, str], Object] = {}
        self._changed = asyncio.Condition()

    async def run(self, http: KubeHTTP, namespace: str) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as group:
            for kind in (Kind.IMAGE_JOB, Kind.POD):
                group.create_task(self._follow(http, kind, namespace))

    async def _follow(self, http: KubeHTTP, kind: Kind, namespace: str) -> None:
        async for gone, found in follow(http, kind.path(namespace)):
            await self.see(kind, gone, found, monotonic())

    async def see(self, kind: Kind, gone: bool, found: Object, now: float) -> None:
        """Take one change that a watch delivered."""
        key = kind, found["metadata"]["name"]
        if gone:
            self.objects.pop(key, None)
        else:
            self.objects[key] = found
            self.first.setdefault(key, now)
            status = found.get("status", {})
            if phase := status.get("phase", ""):
                self.phases.setdefault((*key, phase), now)
            if any("terminated" in each["state"] for each in status.get("containerStatuses", ())):
                self.container_ended.setdefault(found["metadata"]["name"], now)
        async with self._changed:
            self._changed.notify_all()

    async def until(self, holds: Callable[[], bool], what: str, seconds: float) -> None:
        """Return when a condition holds.

        Raises:
            LoadFailed: It did not within so many seconds.
        """
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(holds)
        except TimeoutError:
            raise LoadFailed(f"{what}: not within {seconds:.0f} s") from None

    async def until_succeeded(self, kind: Kind, name: str, seconds: float) -> float:
        """The time at which an object was seen to have succeeded.

        Raises:
            LoadFailed: It ended otherwise, or not within so many seconds.
        """
        await self.until(lambda: bool(self._outcome(kind, name)), f"the end of {kind} {name}", seconds)
        if (outcome := self._outcome(kind, name)) != "Succeeded":
            raise LoadFailed(f"{kind} {name} is {outcome}: {self.objects[kind, name].get('status')}")
        return self.phases[kind, name, outcome]

    def _outcome(self, kind: Kind, name: str) -> str:
        found = self.objects.get((kind, name))
        return kind.outcome(found) if found else ""


@asynccontextmanager
async def followed(http: KubeHTTP, namespace: str) -> AsyncIterator[Timeline]:
    """A timeline of a namespace that grows during the block."""
    timeline = Timeline()
    following = asyncio.create_task(timeline.run(http, namespace))
    try:
        yield timeline
    finally:
        following.cancel()
