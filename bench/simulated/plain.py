"""Pods that are not ImageJobs' on simulated nodes: each runs and succeeds at once."""

from __future__ import annotations

import asyncio

from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from simulated.api import Object, follow
from simulated.kubelet import Kubelet, now, waits

LABEL = "simulated/plain"
"""Label of the Pods that succeed at once; its value is `yes`."""


async def run_plain_pods(http: KubeHTTP, namespace: str) -> None:
    """Run the labelled Pods of a namespace until cancelled."""
    kubelet = Kubelet(http, namespace)
    started: set[str] = set()
    async with asyncio.TaskGroup() as group:
        async for gone, pod in follow(http, kubelet.pods, f"{LABEL}%3Dyes"):
            uid = pod["metadata"]["uid"]
            if gone:
                started.discard(uid)
            elif waits(pod) and uid not in started:
                started.add(uid)
                group.create_task(_run(kubelet, pod))


async def _run(kubelet: Kubelet, pod: Object) -> None:
    begun = now()
    await kubelet.set_running(pod, begun)
    await kubelet.set_ended(pod, begun, 0, "")
