"""ImageJobs of one namespace beside a long queue of another one."""

from __future__ import annotations

import asyncio
from collections import Counter
from time import monotonic

from capacity.creation import create_all
from capacity.objects import queued_job
from capacity.place import NODES, Place, connected
from capacity.sizes import Sizes
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import step
from scale.drive import Driver, Load
from scale.figures import Figures, quantile
from scale.freshness import Freshness
from scale.objects import SOURCE, Kind
from simulated.installation import prepare
from simulated.nodes import simulated_nodes

TENANT, PROBES = "tenant", "probes"
PER_SECOND = 1.0
WARM_UP = 3


def measure(place: Place, sizes: Sizes) -> Figures:
    """Latencies of the same ImageJobs alone, and beside the queue."""
    for namespace in (TENANT, PROBES):
        prepare(place.kubectl, namespace, [SOURCE])
    with simulated_nodes(place.kubectl, NODES):
        return asyncio.run(_measure(place, sizes))


async def _measure(place: Place, sizes: Sizes) -> Figures:
    async with connected(place, TENANT, PROBES) as http:
        driver = Driver(http, PROBES)
        await driver.run(Load(Kind.IMAGE_JOB, WARM_UP), "warm-up")
        await driver.delete(Kind.IMAGE_JOB)
        probes = Load(Kind.IMAGE_JOB, sizes.probes, per_second=PER_SECOND)
        with step(f"{sizes.probes} probes, alone"):
            alone = await _latencies(driver, probes, "alone")
        await driver.delete(Kind.IMAGE_JOB)
        with step(f"{sizes.queued} ImageJobs of another namespace"):
            await create_all(http, TENANT, (queued_job(f"queued-{n}") for n in range(sizes.queued)))
        with step(f"{sizes.probes} probes, beside them"):
            before = await _phases(http)
            begun = monotonic()
            beside = await _latencies(driver, probes, "beside")
            seconds = monotonic() - begun
            after = await _phases(http)
    return {
        "probes": sizes.probes,
        "queued": sizes.queued,
        "alone": alone,
        "beside": beside,
        "delaySeconds": beside["p99"] - alone["p99"],
        "leftBefore": sizes.queued - before["Succeeded"],
        "leftAfter": sizes.queued - after["Succeeded"],
        "failed": after["Failed"],
        "queuePerSecond": (after["Succeeded"] - before["Succeeded"]) / seconds,
    }


async def _latencies(driver: Driver, probes: Load, prefix: str) -> Figures:
    """From the request until Succeeded, until the first status, and from the end of a Pod to its status."""
    freshness = Freshness()
    found = (await driver.run(probes, prefix, freshness.observe)).latencies()
    parts = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    lags = {f"{name}P99": quantile(lag, 0.99) for name, lag in freshness.lags().items()}
    return {**{name: quantile(found, part) for name, part in parts.items()}, **lags}


async def _phases(http: KubeHTTP) -> Counter[str]:
    """The tenant's ImageJobs by phase."""
    listed = await http.request("GET", f"{Kind.IMAGE_JOB.path(TENANT)}?limit=0")
    return Counter(job.get("status", {}).get("phase", "") for job in listed["items"])
