"""Creates very many objects, and waits for their phases."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import Heartbeat
from scale.drive import CREATORS, LoadFailed
from scale.objects import Kind
from simulated.api import Object, follow


async def create_all(http: KubeHTTP, namespace: str, bodies: Iterable[Object]) -> None:
    """Create ImageJobs, so many at a time as in a burst.

    Raises:
        LoadFailed: The API server refused one.
    """
    waiting = iter(bodies)

    async def create() -> None:
        for body in waiting:
            try:
                await http.request("POST", Kind.IMAGE_JOB.path(namespace), body)
            except ApiError as error:
                name = body["metadata"]["name"]
                raise LoadFailed(f"{name} was not created: {error.status} {error.message}") from error

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CREATORS):
                group.create_task(create())
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def until_phases(http: KubeHTTP, namespace: str, wanted: Counter[str], seconds: float) -> None:
    """Return when so many ImageJobs of a namespace are in each phase.

    Raises:
        LoadFailed: They are not within so many seconds, or one is Failed.
    """
    phases: dict[str, str] = {}
    counts: Counter[str] = Counter()
    beat = Heartbeat(30)
    try:
        async with asyncio.timeout(seconds):
            async for _, job in follow(http, Kind.IMAGE_JOB.path(namespace)):
                name, phase = job["metadata"]["name"], job.get("status", {}).get("phase", "")
                if phase == "Failed":
                    raise LoadFailed(f"{name} is Failed: {job['status'].get('error')}")
                counts[phases.get(name, "")] -= name in phases
                counts[phase] += 1
                phases[name] = phase
                beat.beat(lambda: f"{dict(+counts)}")
                if +counts == wanted:
                    return
    except TimeoutError:
        raise LoadFailed(
            f"ImageJobs by phase after {seconds:.0f} s: {dict(+counts)}, expected {dict(wanted)}"
        ) from None
