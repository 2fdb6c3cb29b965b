"""Web servers that never respond: runs that wait for them delay no other staging, and no cleaning."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

from fakes.build import RUN_UID, SPEC
from fakes.memory_owners import FOLDER
from fakes.memory_web import MemorySecrets
from fakes.telemetry import CountingTelemetry
from fakes.world import World
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.decision.operation import Clean, Cleaned, Stage, Staged
from imagejob_operator.naming.prefixes import staging_prefix
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.operations.staging.download import Downloader

TENANTS = {"n1": 16, "n2": 8, "n3": 4, "n4": 2, "n5": 1, "n6": 1}
"""So many runs take 32 slots that namespaces share."""


class Silent:
    """Web servers that accept a connection and send nothing."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    @contextlib.asynccontextmanager
    async def fetch(self, url: str, headers: Mapping[str, str], max_bytes: int) -> AsyncIterator[bytes]:
        self.asked.set()
        await asyncio.Event().wait()
        yield b""


def prefix_of(job: ImageJob) -> str:
    return staging_prefix(FOLDER, job.key.namespace, job.uid, 1, 1, RUN_UID)


async def test_runs_that_wait_for_silent_servers_delay_nothing_else() -> None:
    world, web = World(), Silent()
    carry_out = Operations(
        world.cluster,
        world.operator.stores,
        world.cluster,
        Downloader(web, MemorySecrets()),
        CountingTelemetry(),
        world.clock,
    )
    urls = {"urls": [{"url": f"https://{number}.example/{number}.jpg"} for number in range(256)]}
    waiting = [
        asyncio.create_task(carry_out(job, Stage(prefix_of(job))))
        for namespace, count in TENANTS.items()
        for job in [
            world.cluster.create(f"silent-{number}", {**SPEC, "source": urls}, namespace=namespace)
            for number in range(count)
        ]
    ]
    await web.asked.wait()
    honest = world.cluster.create("honest", SPEC)
    try:
        async with asyncio.timeout(10):
            staged = await carry_out(honest, Stage(prefix_of(honest)))
            cleaned = await carry_out(honest, Clean((prefix_of(honest),)))
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(staged, Staged)
    assert cleaned == Cleaned()
