"""The operator's own figures, as it tells them to Prometheus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from demo.stack import NAMESPACE, OPERATOR
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.progress import say
from soak.verdict import Sample

PAGES = f"/api/v1/namespaces/{NAMESPACE}/services/{OPERATOR}:http/proxy"


async def metrics(http: KubeHTTP) -> dict[str, float]:
    """Every metric by its name; those with labels as the sum over all of them."""
    async with http.session.get(f"{http.server}{PAGES}/metrics") as response:
        response.raise_for_status()
        text = await response.text()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


async def facts(http: KubeHTTP) -> dict[str, Any]:
    """What the operator's page of health says."""
    return await http.request("GET", f"{PAGES}/healthz")


async def sample(http: KubeHTTP, jobs: int, seconds: float) -> Sample:
    """One sample, now."""
    told = await metrics(http)
    return Sample(
        jobs,
        seconds,
        resident=told["process_resident_memory_bytes"],
        began=told["process_start_time_seconds"],
        cpu=told["process_cpu_seconds_total"],
        files=told["process_open_fds"],
    )


async def sample_for_ever(http: KubeHTTP, into: list[Sample], jobs: Callable[[], int], every: float) -> None:
    """Sample every so many seconds until cancelled; a moment without an answer is passed over."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    while True:
        try:
            into.append(await sample(http, jobs(), loop.time() - begun))
        except (aiohttp.ClientError, TimeoutError) as error:
            say(f"the operator gave no sample: {type(error).__name__}")
        await asyncio.sleep(every)
