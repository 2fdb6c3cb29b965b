"""A replica is warm when it has seen every job that is there."""

from __future__ import annotations

import asyncio

from fakes.jumping_loop import run
from fakes.memory_owners import MemoryOwners
from imagejob_operator.core.job import parse_job
from imagejob_operator.loop.cache import Cache
from imagejob_operator.loop.warm import PAUSE, await_warmth
from imagejob_operator.ports.jobs import Unavailable


def test_warm_when_all_jobs_were_seen_or_are_gone() -> None:
    async def play() -> None:
        cache, owners = Cache(), MemoryOwners()
        owners.hooks.fail(Unavailable("503"), times=1)
        keys = {uid: owners.put(uid) for uid in ("u1", "u2")}
        waiting = asyncio.create_task(await_warmth(cache, owners, ()))
        await asyncio.sleep(10 * PAUSE)
        assert not waiting.done()
        key = keys["u1"]
        metadata = {"namespace": key.namespace, "name": key.name, "uid": "u1", "resourceVersion": "1"}
        cache.put_job(parse_job({"metadata": metadata}))
        await asyncio.sleep(2 * PAUSE)
        assert not waiting.done()
        owners.drop(keys["u2"])
        await asyncio.sleep(2 * PAUSE)
        assert waiting.done()

    run(play())
