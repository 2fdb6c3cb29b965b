"""Jobs come and go: a bounded number is alive, each is created, seen to its end, deleted, and seen gone."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION
from simulated.api import Object, follow
from soak.kinds import Way, manifest, way_of

PATIENCE = 300.0
"""Seconds that any one step of a job may take."""

TRIES = 5
"""Of one request to which the API server gives no useful answer."""

MERGE = "application/merge-patch+json"


class WentWrong(Exception):
    """A job did not go its way; the message says which and how."""


class Driver:
    """Makes jobs in one namespace, and counts how they went."""

    def __init__(self, http: KubeHTTP, namespace: str) -> None:
        self._http = http
        self._path = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
        self._seen: dict[str, Object | None] = {}
        """Jobs as they were seen last, by name; None: gone."""
        self._waiting: dict[str, asyncio.Event] = {}
        self._numbers = itertools.count()
        self.finished = 0
        """Jobs that ended in the phase of their way, and were deleted after."""
        self.ways: Counter[str] = Counter()

    async def run(self, jobs: int, alive: int) -> None:
        """Let jobs come and go until so many have finished.

        Raises:
            WentWrong: at the first job that does not go its way.
        """
        watch = asyncio.create_task(self._watch())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(alive):
                    group.create_task(self._one_after_another(jobs))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        finally:
            watch.cancel()

    async def _watch(self) -> None:
        async for gone, job in follow(self._http, self._path):
            name = job["metadata"]["name"]
            if name in self._waiting:
                self._seen[name] = None if gone else job
                self._waiting[name].set()

    async def _one_after_another(self, jobs: int) -> None:
        while self.finished < jobs:
            number = next(self._numbers)
            way = way_of(number)
            await self._one(f"soak-{number}", way)
            self.ways[way] += 1
            self.finished += way.phase != ""

    async def _one(self, name: str, way: Way) -> None:
        self._waiting[name] = asyncio.Event()
        try:
            await self._call("POST", self._path, manifest(name, way))
            if way.holds:
                await self._until(name, lambda job: _phase(job) == "Running", "is Running")
            if way is Way.CANCELLED:
                await self._call("PATCH", f"{self._path}/{name}", {"spec": {"cancelRunID": "1"}}, MERGE)
            if way.phase:
                job = await self._until(name, _has_ended, "has ended")
                if _phase(job) != way.phase:
                    raise WentWrong(f"{name} ({way}) is {_phase(job)}: {(job or {})['status'].get('error')}")
            await self._call("DELETE", f"{self._path}/{name}")
            await self._until(name, lambda job: job is None, "is gone")
        finally:
            del self._waiting[name]
            self._seen.pop(name, None)

    async def _until(self, name: str, holds: Callable[[Object | None], bool], what: str) -> Object | None:
        try:
            async with asyncio.timeout(PATIENCE):
                while name not in self._seen or not holds(self._seen[name]):
                    self._waiting[name].clear()
                    await self._waiting[name].wait()
        except TimeoutError:
            last = self._seen.get(name)
            raise WentWrong(
                f"{name}: not within {PATIENCE:.0f} s that it {what}; seen last: {last}"
            ) from None
        return self._seen[name]

    async def _call(
        self, verb: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> None:
        """Ask until the API server has an answer; what an earlier try has brought about is no error."""
        done = {"POST": 409, "DELETE": 404}.get(verb)
        for tries in itertools.count(1):
            try:
                await self._http.request(verb, path, body, content_type)
            except ApiError as error:
                if tries > 1 and error.status == done:
                    return
                if tries == TRIES or not (error.status in (0, 429) or error.status >= 500):
                    raise WentWrong(f"{verb} {path}: {error.status} {error.message}") from error
                await asyncio.sleep(tries)
            else:
                return


def _phase(job: Object | None) -> str:
    return str((job or {}).get("status", {}).get("phase", "gone"))


def _has_ended(job: Object | None) -> bool:
    conditions = (job or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == "Finished" and c["status"] == "True" for c in conditions)
