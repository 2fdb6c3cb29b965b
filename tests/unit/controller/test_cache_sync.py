"""A replica is warm when it has seen every job that is there."""

from __future__ import annotations

import asyncio
import itertools

from fakes.jumping_loop import run
from fakes.memory_owners import MemoryOwners
from imagejob_operator.api.imagejob import parse_job
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.startup import CHECK_PERIOD, await_cache_sync
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.ports.imagejobs import Unavailable


def test_warm_when_all_jobs_were_seen_or_are_gone() -> None:
    async def play() -> None:
        cache, owners = Cache(), MemoryOwners()
        owners.hooks.fail(Unavailable("503"), times=1)
        keys = {uid: owners.put(uid) for uid in ("u1", "u2")}
        waiting = asyncio.create_task(await_cache_sync(cache, owners, WatchedNamespaces()))
        await asyncio.sleep(10 * CHECK_PERIOD)
        assert not waiting.done()
        key = keys["u1"]
        metadata = {"namespace": key.namespace, "name": key.name, "uid": "u1", "resourceVersion": "1"}
        cache.put_job(parse_job({"metadata": metadata}))
        await asyncio.sleep(2 * CHECK_PERIOD)
        assert not waiting.done()
        owners.drop(keys["u2"])
        await asyncio.sleep(2 * CHECK_PERIOD)
        assert waiting.done()

    run(play())


def test_jobs_of_another_installation_are_seen_and_no_more() -> None:
    async def play() -> None:
        cache, owners = Cache(), MemoryOwners()
        owners.put("theirs")
        waiting = asyncio.create_task(await_cache_sync(cache, owners, WatchedNamespaces()))
        await asyncio.sleep(2 * CHECK_PERIOD)
        assert not waiting.done()
        cache.ignore_job("theirs")
        await asyncio.sleep(2 * CHECK_PERIOD)
        assert waiting.done()
        assert cache.jobs() == []

    run(play())


def test_jobs_that_keep_coming_are_not_waited_for() -> None:
    async def play() -> None:
        owners, numbers = MemoryOwners(), itertools.count()

        async def another(operation: str, about: str, done: bool) -> None:
            if not done:
                owners.put(f"new-{next(numbers):04d}")

        first = owners.put("first")
        owners.hooks.install(another)
        waiting = asyncio.create_task(await_cache_sync(Cache(), owners, WatchedNamespaces()))
        await asyncio.sleep(3 * CHECK_PERIOD)
        assert not waiting.done()
        for key in [first, *(key for key in owners.bodies if key.name == "job-new-0000")]:
            owners.drop(key)
        await asyncio.sleep(2 * CHECK_PERIOD)
        assert waiting.done()

    run(play())
