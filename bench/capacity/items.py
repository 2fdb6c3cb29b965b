"""One ImageJob with very many items: its staging, beside copies without the operator."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from time import monotonic

from capacity.copies import Copies
from capacity.objects import LIST, large_job
from capacity.place import MIB, NODES, Place, connected, find_program
from capacity.sizes import Sizes
from capacity.timeline import Timeline, followed
from localcluster.progress import say, step
from scale.drive import LoadFailed
from scale.figures import Figures
from scale.meters import Meters
from scale.objects import SOURCE, Kind
from simulated.installation import prepare
from simulated.nodes import simulated_nodes

SHOP, NAME = "items", "large"
BARE_PART = 0.1
"""How many copies a loop makes before and after the staging, as a part of the items."""
SAMPLE_SECONDS = 1.0
SETTLE_SECONDS = 10.0
PATIENCE = 900.0
COPY, LOOK_UP = "CopyObject", "HeadObject"
"""Calls of the store, as it counts them."""
Samples = list[tuple[float, Counter[str]]]


def measure(place: Place, sizes: Sizes) -> Figures:
    """Memory of the operator, and the rates of its staging and of bare copies."""
    address = prepare(place.kubectl, SHOP, [SOURCE])
    copies = Copies(place.kubectl, address)
    meters = Meters(place.kubectl, place.cluster, address, SHOP)
    keys = [f"photos/{number:06}.png" for number in range(sizes.items)]
    with simulated_nodes(place.kubectl, NODES):
        with step(f"{sizes.items} sources, as server-side copies"):
            copies.make((f"{SHOP}/{SOURCE}", f"{SHOP}/{key}") for key in keys)
        copies.put(f"{SHOP}/{LIST}", "\n".join(keys).encode())
        return asyncio.run(_measure(place, meters, copies, keys))


async def _measure(place: Place, meters: Meters, copies: Copies, keys: list[str]) -> Figures:
    part = max(1, round(BARE_PART * len(keys)))
    async with connected(place, SHOP) as http, followed(http, SHOP) as timeline:
        await http.request("POST", Kind.IMAGE_JOB.path(SHOP), Kind.IMAGE_JOB.manifest("warm-up", 1))
        await timeline.until_succeeded(Kind.IMAGE_JOB, "warm-up", PATIENCE)
        before = await _bare(copies, keys[:part], "before")
        operator, store = await find_program(place), await find_program(place, "MinIO")
        await asyncio.sleep(SETTLE_SECONDS)
        operator.forget_peak()
        idle = operator.resident_bytes()
        spent = operator.cpu_seconds(), store.cpu_seconds()
        with step(f"staging of {len(keys)} items"):
            await http.request("POST", Kind.IMAGE_JOB.path(SHOP), large_job(NAME))
            samples = await _sampled(meters, timeline)
        used = operator.cpu_seconds() - spent[0], store.cpu_seconds() - spent[1]
        await asyncio.sleep(SETTLE_SECONDS)
        peak = operator.peak_bytes()
        staged = timeline.objects[Kind.IMAGE_JOB, NAME]["status"]["items"]["total"]
        after = await _bare(copies, keys[-part:], "after")
    seconds = _since(timeline, "Launching") - _since(timeline, "Staging")
    bare = 2 * part / (part / before + part / after)
    return {
        "items": staged,
        "idleMiB": idle / MIB,
        "peakMiB": peak / MIB,
        "growthMiB": (peak - idle) / MIB,
        "stagingSeconds": seconds,
        "stagingPerSecond": staged / seconds,
        "barePerSecond": bare,
        "bareBeforePerSecond": before,
        "bareAfterPerSecond": after,
        "stagingRatio": staged / seconds / bare,
        **copying(samples, bare),
        "operatorCores": used[0] / seconds,
        "storeCores": used[1] / seconds,
    }


async def _bare(copies: Copies, keys: Iterable[str], folder: str) -> float:
    """Copies per second of a loop that knows the sources and does nothing else."""
    pairs = [(f"{SHOP}/{key}", f"{SHOP}/bare-{folder}/{key}") for key in keys]
    with step(f"{len(pairs)} bare copies"):
        begun = monotonic()
        await asyncio.to_thread(copies.make, pairs)
        rate = len(pairs) / (monotonic() - begun)
    say(f"    {rate:.0f} copies a second")
    return rate


async def _sampled(meters: Meters, timeline: Timeline) -> Samples:
    """The requests to the store, second by second, until the sources are staged."""
    samples: Samples = []

    async def sample() -> None:
        while True:
            samples.append((monotonic(), await asyncio.to_thread(meters.served)))
            await asyncio.sleep(SAMPLE_SECONDS)

    def staged() -> bool:
        job = timeline.objects.get((Kind.IMAGE_JOB, NAME), {})
        return job.get("status", {}).get("phase", "") not in ("", "Pending", "Staging")

    sampling = asyncio.create_task(sample())
    try:
        await timeline.until(staged, "the staging", PATIENCE)
    finally:
        sampling.cancel()
    return [*samples, (monotonic(), await asyncio.to_thread(meters.served))]


def _since(timeline: Timeline, phase: str) -> float:
    at = timeline.phases.get((Kind.IMAGE_JOB, NAME, phase))
    if at is None:
        status = timeline.objects[Kind.IMAGE_JOB, NAME]["status"]
        raise LoadFailed(f"the large ImageJob was never {phase}: {status.get('error', status.get('phase'))}")
    return at


def copying(samples: Samples, bare: float) -> Figures:
    """The rate of the copies alone, and what came before them: looking up each source."""
    growth = [(at, counted[COPY] - samples[0][1][COPY]) for at, counted in samples]
    last = growth[-1][1]
    begun = max((at for at, copied in growth if copied <= 0.01 * last), default=growth[0][0])
    ended = min(at for at, copied in growth if copied == last)
    rate = 0.99 * last / max(ended - begun, SAMPLE_SECONDS)
    looked_up = samples[-1][1][LOOK_UP] - samples[0][1][LOOK_UP]
    return {
        "copies": last,
        "lookUps": looked_up,
        "lookUpSeconds": begun - samples[0][0],
        "copyPerSecond": rate,
        "copyRatio": rate / bare,
    }
