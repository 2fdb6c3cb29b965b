"""`python -m soak`: a cluster, the shipped operator, simulated nodes, jobs that come and go, a verdict.

Exit code 1 if memory has grown, or anything is left that the operator still knows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from demo.kubectl import Kubectl
from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.commands import run
from localcluster.paths import repository
from localcluster.progress import say
from simulated.actor import Actor
from simulated.api import connect
from simulated.installation import prepare, stacked
from simulated.nodes import simulated_nodes
from soak.drive import Driver
from soak.kinds import FOUR, SOURCE
from soak.sampling import facts, metrics, sample_for_ever
from soak.verdict import MOST, WARM_UP, WINDOW, Sample, Verdict, curve, judge

SHOP = "soak"
NODES = 4
SAMPLE_SECONDS = 2.0
POINTS = 50
MB = 1e6
SETTLE_SECONDS = 60


async def soak(
    kubectl: Kubectl, jobs: int, alive: int
) -> tuple[list[Sample], Counter[str], dict[str, float]]:
    """Let the jobs come and go; the samples, how many went which way, and what the operator knows after."""
    samples: list[Sample] = []
    async with connect(kubectl.kubeconfig) as http:
        driver = Driver(http, SHOP)
        beside = [
            asyncio.create_task(Actor(http, SHOP).run()),
            asyncio.create_task(sample_for_ever(http, samples, lambda: driver.finished, SAMPLE_SECONDS)),
            asyncio.create_task(_tell(samples, jobs)),
        ]
        driving = asyncio.create_task(driver.run(jobs, alive))
        done, _ = await asyncio.wait([driving, *beside], return_when=asyncio.FIRST_COMPLETED)
        for task in (driving, *beside):
            task.cancel()
        for task in done:
            task.result()
        return samples, driver.ways, await _known(http)


async def _tell(samples: list[Sample], jobs: int) -> None:
    while True:
        await asyncio.sleep(30)
        if samples:
            last = samples[-1]
            rate = last.jobs / last.seconds
            say(f"{last.jobs} of {jobs} jobs, {rate:.2f} a second, {last.resident / MB:.1f} MB resident")


async def _known(http: KubeHTTP) -> dict[str, float]:
    """Jobs and Pods that the operator still knows, when it had a while to forget them."""
    known: dict[str, float] = {"answers missing": 1}
    for _ in range(SETTLE_SECONDS):
        await asyncio.sleep(1)
        try:
            told, cached = await facts(http), (await metrics(http)).get("imagejob_jobs", 0.0)
        except (ApiError, aiohttp.ClientError, TimeoutError):
            continue
        known = {"jobs": told["jobs"], "attempts": told["attempts"], "cachedJobs": cached}
        if not any(known.values()):
            break
    return known


def document(samples: list[Sample], ways: Counter[str], verdict: Verdict, jobs: int) -> dict[str, Any]:
    """What is kept of a run, besides what it was asked to be."""
    first, last = samples[0], samples[-1]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "jobs": jobs,
        "ways": dict(sorted(ways.items())),
        "seconds": round(last.seconds),
        "jobsPerSecond": round(last.jobs / last.seconds, 2),
        "operatorCpuMsPerJob": round(1000 * (last.cpu - first.cpu) / last.jobs, 1),
        "openFiles": [first.files, last.files],
        "warmUp": WARM_UP,
        "window": WINDOW,
        "beforeMB": round(verdict.before / MB, 1),
        "afterMB": round(verdict.after / MB, 1),
        "ratio": round(verdict.ratio, 3),
        "atMost": MOST,
        "curve": [[done, round(size / MB, 1)] for done, size in curve(samples, POINTS)],
    }


def main() -> int:
    """Do it; the exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000, help="how many are to finish (default: 5000)")
    parser.add_argument("--alive", type=int, default=64, help="how many there are at a time (default: 64)")
    parser.add_argument("--cluster", default="soak", help="name of the local cluster (default: soak)")
    options = parser.parse_args()
    commit = run(["git", "-C", str(repository()), "rev-parse", "--short", "HEAD"]).strip()
    with stacked(options.cluster) as kubectl:
        prepare(kubectl, SHOP, (SOURCE, *FOUR))
        with simulated_nodes(kubectl, NODES):
            samples, ways, known = asyncio.run(soak(kubectl, options.jobs, options.alive))
    try:
        verdict = judge(samples, options.jobs)
    except ValueError as error:
        print(f"no verdict: {error}")
        return 1
    told = document(samples, ways, verdict, options.jobs)
    told = {"commit": commit, "alive": options.alive, **told}
    out = Path("out/soak.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(told, indent=1) + "\n")
    for way, count in told["ways"].items():
        print(f"{count:>6} {way}")
    print(f"{options.jobs} jobs in {told['seconds']} s, {told['jobsPerSecond']} a second")
    print(f"resident: {told['beforeMB']} MB after warming up, {told['afterMB']} MB at the end, ", end="")
    print(f"ratio {told['ratio']} (at most {MOST})")
    left = [f"{count:g} {what}" for what, count in known.items() if count]
    objections = [*verdict.objections, *([f"the operator still knows {', '.join(left)}"] if left else [])]
    for objection in objections:
        print(f"objection: {objection}")
    return 1 if objections else 0


if __name__ == "__main__":
    sys.exit(main())
