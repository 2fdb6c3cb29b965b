"""Creates the objects of one load, waits for their ends, and deletes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from scale.objects import Kind
from simulated.api import Object, follow

CREATORS = 32
"""Requests of a burst that are active at a time."""
PATIENCE = 120.0
PATIENCE_PER_POD = 1.0
"""Seconds: a load that takes longer has failed."""
GONE_SECONDS = 300

Observe = Callable[[Kind, Object, float], None]


class LoadFailed(Exception):
    """An object of a load failed, or did not end in time; the message says which."""


@dataclass(frozen=True)
class Load:
    """What is created: so many objects of one kind, each worth so many Pods."""

    kind: Kind
    objects: int
    pods_each: int = 1
    per_second: float | None = None
    """The rate of a steady load; None: a burst."""

    @property
    def pods(self) -> int:
        """The Pods of all objects."""
        return self.objects * self.pods_each


@dataclass
class Times:
    """When each object was applied, and when a watch showed its end."""

    applied: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From the first request to the last end."""
        return max(self.ended.values()) - min(self.applied.values())

    def latencies(self) -> list[float]:
        """Seconds from apply to Succeeded, the shortest first."""
        return sorted(end - self.applied[name] for name, end in self.ended.items())


def ignore(kind: Kind, found: Object, now: float) -> None:
    """Observe nothing."""


class Driver:
    """Runs loads in one namespace, one after another."""

    def __init__(self, http: KubeHTTP, namespace: str) -> None:
        self._http = http
        self._namespace = namespace

    async def run(self, load: Load, prefix: str, observe: Observe = ignore) -> Times:
        """Create the objects of a load, and return when all have succeeded.

        Raises:
            LoadFailed: one has not succeeded.
        """
        times, done = Times(), asyncio.Event()
        try:
            async with asyncio.timeout(PATIENCE + PATIENCE_PER_POD * load.pods), asyncio.TaskGroup() as group:
                watches = [group.create_task(self._watch(load, times, done, observe))]
                if observe is not ignore:
                    watches.append(group.create_task(self._observe_pods(observe)))
                group.create_task(self._create(load, prefix, times))
                await done.wait()
                for watch in watches:
                    watch.cancel()
        except TimeoutError:
            missing = sorted(times.applied.keys() - times.ended.keys())
            raise LoadFailed(
                f"{len(missing)} of {load.objects} have not ended, first {missing[:3]}"
            ) from None
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return times

    async def delete(self, kind: Kind) -> None:
        """Delete all objects of a kind, and return when they and all Pods are gone."""
        await self._http.request("DELETE", f"{kind.path(self._namespace)}?propagationPolicy=Background")
        async with asyncio.timeout(GONE_SECONDS):
            for each in (kind, Kind.POD):
                while await self._exist(each):
                    await asyncio.sleep(0.2)

    async def _exist(self, kind: Kind) -> bool:
        listed = await self._http.request("GET", f"{kind.path(self._namespace)}?limit=1")
        return bool(listed["items"])

    async def _create(self, load: Load, prefix: str, times: Times) -> None:
        """Create at the rate of the load, or as fast as the API server responds."""
        places = asyncio.Semaphore(CREATORS)
        begun = monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(load.objects):
                if load.per_second:
                    await asyncio.sleep(begun + number / load.per_second - monotonic())
                await places.acquire()
                create = group.create_task(self._apply(load, f"{prefix}-{number}", times))
                create.add_done_callback(lambda _: places.release())

    async def _apply(self, load: Load, name: str, times: Times) -> None:
        body = load.kind.manifest(name, load.pods_each)
        times.applied[name] = monotonic()
        try:
            await self._http.request("POST", load.kind.path(self._namespace), body)
        except ApiError as error:
            raise LoadFailed(f"{name} was not created: {error.status} {error.message}") from error

    async def _watch(self, load: Load, times: Times, done: asyncio.Event, observe: Observe) -> None:
        async for gone, found in follow(self._http, load.kind.path(self._namespace)):
            now, name = monotonic(), found["metadata"]["name"]
            observe(load.kind, found, now)
            outcome = load.kind.outcome(found)
            if gone or outcome not in ("", "Succeeded"):
                raise LoadFailed(f"{name} is {outcome or 'gone'}: {found.get('status')}")
            if outcome:
                times.ended.setdefault(name, now)
            if len(times.ended) == load.objects:
                done.set()

    async def _observe_pods(self, observe: Observe) -> None:
        async for gone, found in follow(self._http, Kind.POD.path(self._namespace)):
            if not gone:
                observe(Kind.POD, found, monotonic())
