"""Very many ImageJobs at once, and restarts of the operator among them."""

from __future__ import annotations

import asyncio
import statistics
from collections import Counter
from time import monotonic

from capacity.creation import create_all, until_phases
from capacity.objects import active_job, ended_job, suspended_job
from capacity.place import MIB, NODES, Place, connected, find_program
from capacity.sizes import Sizes
from capacity.timeline import Timeline, followed
from demo.stack import NAMESPACE, OPERATOR
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import say, step
from scale.figures import Figures
from scale.objects import SOURCE, Kind
from simulated.api import Object, follow
from simulated.installation import prepare
from simulated.nodes import simulated_nodes

JOBS, PROBES = "live", "probes"
SETTLE_SECONDS = 10.0
OBSERVED_SECONDS = 60.0
PATIENCE = 900.0
RESTARTS = 3
RESTART_PATIENCE = 120.0
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
OF_OPERATOR = f"app.kubernetes.io/name%3D{OPERATOR}"


def measure(place: Place, sizes: Sizes) -> Figures:
    """Memory and CPU of the operator beside all ImageJobs, and its restarts."""
    for namespace in (JOBS, PROBES):
        prepare(place.kubectl, namespace, [SOURCE])
    with simulated_nodes(place.kubectl, NODES):
        return asyncio.run(_measure(place, sizes))


async def _measure(place: Place, sizes: Sizes) -> Figures:
    async with connected(place, JOBS, PROBES) as http, followed(http, PROBES) as timeline:
        operator = await find_program(place)
        idle, bodies = operator.resident_bytes(), _bodies(sizes)
        with step(f"{len(bodies)} ImageJobs, {sizes.active} of them active"):
            begun, spent = monotonic(), operator.cpu_seconds()
            await create_all(http, JOBS, bodies)
            say(f"    created after {monotonic() - begun:.0f} s")
            await until_phases(http, JOBS, _phases(sizes), PATIENCE)
            creation, creation_cpu = monotonic() - begun, operator.cpu_seconds() - spent
        await asyncio.sleep(SETTLE_SECONDS)
        peak_before = operator.peak_bytes()
        with step(f"observing the operator for {OBSERVED_SECONDS:.0f} s"):
            operator.forget_peak()
            begun, spent = monotonic(), operator.cpu_seconds()
            await asyncio.sleep(OBSERVED_SECONDS)
            cores = (operator.cpu_seconds() - spent) / (monotonic() - begun)
            settled = operator.peak_bytes()
        restarts = [await _restart(place, http, timeline, number) for number in range(RESTARTS)]
    return {
        "live": sizes.live,
        "active": sizes.active,
        "suspended": _phases(sizes)["Suspended"],
        "ended": _phases(sizes)["Cancelled"],
        "creationSeconds": creation,
        "creationCores": creation_cpu / creation,
        "idleMiB": idle / MIB,
        "creationPeakMiB": peak_before / MIB,
        "settledPeakMiB": settled / MIB,
        "settledCores": cores,
        "restarts": restarts,
        "restartPeakMiB": max(each["peakMiB"] for each in restarts),
        "readySeconds": statistics.median(each["readySeconds"] for each in restarts),
        "probeSeconds": statistics.median(each["probeSeconds"] for each in restarts),
    }


def _bodies(sizes: Sizes) -> list[Object]:
    """The active ones first, then suspended and ended ones alternate."""
    others = sizes.live - sizes.active
    return [
        *(active_job(f"active-{number}") for number in range(sizes.active)),
        *((suspended_job if number % 2 else ended_job)(f"other-{number}") for number in range(others)),
    ]


def _phases(sizes: Sizes) -> Counter[str]:
    suspended = (sizes.live - sizes.active) // 2
    ended = sizes.live - sizes.active - suspended
    return Counter({"Running": sizes.active, "Suspended": suspended, "Cancelled": ended})


async def _restart(place: Place, http: KubeHTTP, timeline: Timeline, number: int) -> Figures:
    """Delete the operator's Pod, and create an ImageJob at once.

    The times are from the request that deletes the Pod until its successor is Ready, and until the ImageJob
    has succeeded.
    """
    with step(f"restart {number + 1} of {RESTARTS}"):
        (old,) = (await http.request("GET", f"{PODS}?labelSelector={OF_OPERATOR}"))["items"]
        begun, name = monotonic(), f"probe-{number}"
        await http.request("DELETE", f"{PODS}/{old['metadata']['name']}")
        await http.request("POST", Kind.IMAGE_JOB.path(PROBES), Kind.IMAGE_JOB.manifest(name, 1))
        async with asyncio.timeout(RESTART_PATIENCE), asyncio.TaskGroup() as group:
            ready = group.create_task(_ready(http, old["metadata"]["uid"]))
            ended = group.create_task(timeline.until_succeeded(Kind.IMAGE_JOB, name, RESTART_PATIENCE))
        successor = await find_program(place)
        await asyncio.sleep(SETTLE_SECONDS)
        return {
            "readySeconds": ready.result() - begun,
            "probeSeconds": ended.result() - begun,
            "peakMiB": successor.peak_bytes() / MIB,
        }


async def _ready(http: KubeHTTP, old: str) -> float:
    """The time at which the operator has a Ready Pod with another uid."""
    async for gone, pod in follow(http, PODS, OF_OPERATOR):
        conditions = pod.get("status", {}).get("conditions", ())
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
        if ready and not gone and pod["metadata"]["uid"] != old:
            return monotonic()
    raise AssertionError("a watch does not end")
