"""`python -m scale`: bursts and steady loads of ImageJobs, native Jobs and bare Pods on simulated nodes.

Loads and control planes are interleaved: each repetition runs every load on every plane. Exit code 1 if a
load fails, or a figure cannot be true.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docgen.plots import plots
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.native import NativeCluster
from localcluster.progress import say
from localcluster.providers import cluster as find_cluster
from scale.document import PLANES, document, objections
from scale.drive import LoadFailed
from scale.figures import Figures
from scale.measure import Measuring
from scale.meters import Meters
from scale.objects import MOST_SHARDS, SHARDS, SOURCE
from scale.table import table
from simulated.actor import Actor
from simulated.api import connect
from simulated.installation import prepare, stacked
from simulated.nodes import simulated_nodes
from simulated.plain import run_plain_pods

SHOP = "scale"
NODES = 8
OUT = Path("out")


@asynccontextmanager
async def playing(http: KubeHTTP) -> AsyncIterator[None]:
    """All Pods of the namespace are run during the block."""
    try:
        async with asyncio.TaskGroup() as group:
            players = [
                group.create_task(Actor(http, SHOP).run()),
                group.create_task(run_plain_pods(http, SHOP)),
            ]
            yield
            for player in players:
                player.cancel()
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def measure(
    native: NativeCluster, kubeconfig: Path, meters: Meters, options: argparse.Namespace
) -> dict[str, list[dict[str, Figures]]]:
    """All repetitions on all planes."""
    found: dict[str, list[dict[str, Figures]]] = {plane: [] for plane in options.planes}
    async with connect(kubeconfig) as http, playing(http):
        # The Pods have a limit of active requests of their own.
        measuring = Measuring(KubeHTTP(http.server, http.session), SHOP, meters)
        for repetition in range(options.repetitions):
            for plane in options.planes:
                say(f"repetition {repetition + 1} of {options.repetitions}, {plane} control plane")
                await asyncio.to_thread(native.limit_requests, PLANES[plane])
                await measuring.warm_up()
                found[plane].append(await measuring.repetition(options.jobs, options.shards))
    return found


def about(options: argparse.Namespace) -> dict[str, Any]:
    """What was measured, when and where."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}",
        "jobs": options.jobs,
        "shards": options.shards,
        "repetitions": options.repetitions,
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200, help="objects of a load (default: 200)")
    parser.add_argument(
        "--shards", type=int, help="Pods of one object, at most 1000 (default: as many as jobs)"
    )
    parser.add_argument("--repetitions", type=int, default=3, help="of every load (default: 3)")
    parser.add_argument("--planes", nargs="+", choices=PLANES, default=list(PLANES), help="control planes")
    parser.add_argument("--cluster", default="scale", help="name of the local cluster (default: scale)")
    options = parser.parse_args()
    options.shards = min(options.shards or options.jobs, MOST_SHARDS)
    return options


def main() -> int:
    """Do it; the exit code."""
    options = _parse()
    native = find_cluster(options.cluster)
    if not isinstance(native, NativeCluster):
        print("only the native provider has processes whose CPU can be measured")
        return 1
    with stacked(options.cluster) as kubectl:
        store = prepare(kubectl, SHOP, [SOURCE, *(f"{SHARDS}/{n:05}.png" for n in range(options.shards))])
        meters = Meters(kubectl, options.cluster, store, SHOP)
        try:
            with simulated_nodes(kubectl, NODES):
                found = asyncio.run(measure(native, kubectl.kubeconfig, meters, options))
        except LoadFailed as error:
            print(f"a load failed: {error}")
            return 1
        finally:
            native.limit_requests(None)
    return publish(document(about(options), found))


def publish(measured: dict[str, Any]) -> int:
    """Write the document and its plots, print the table; the exit code."""
    OUT.mkdir(exist_ok=True)
    (OUT / "bench-scale.json").write_text(json.dumps(measured, indent=1) + "\n")
    for name, png in plots(measured).items():
        (OUT / name).write_bytes(png)
    for line in table(measured):
        print(line)
    wrong = objections(measured)
    for objection in wrong:
        print(f"objection: {objection}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
