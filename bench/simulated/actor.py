"""Kubelet and processor of all Pods on simulated nodes: waits for the Secret, runs, does the part, ends."""

from __future__ import annotations

import asyncio
import base64
import enum
from concurrent.futures import ThreadPoolExecutor

from imagejob_contract.result import ExitCode
from imagejob_operator.adapters.kubernetes.pod_manifest import ORDER_ENTRY
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.naming.names import LABEL_ATTEMPT, LABEL_MANAGED_BY, MANAGED_BY
from imagejob_processor.storage import Store
from simulated.api import Object, follow
from simulated.kubelet import Kubelet, now, waits
from simulated.work import do_part

THREADS = 8
PART = "simulated/part"
"""Annotation of a Pod: what it does, if that is not its work."""


class Part(enum.StrEnum):
    """What a Pod can do besides its work."""

    HOLD = "Hold"
    """Run until it is deleted."""
    CRASH_ONCE = "CrashOnce"
    """Crash if it is the first attempt of its shard."""


class Actor:
    """The Pods of one namespace that are bound to simulated nodes."""

    def __init__(self, http: KubeHTTP, namespace: str) -> None:
        self._http = http
        self._kubelet = Kubelet(http, namespace)
        self._secrets = f"/api/v1/namespaces/{namespace}/secrets"
        self._store = Store(connections=THREADS)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="part")
        self._bound: dict[str, Object] = {}
        """Pods that have a node and wait for their Secret, by name; the Secret has the same."""
        self._orders: dict[str, str] = {}
        """URLs of orders whose Pods have no node yet."""
        self._lives: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Act until cancelled."""
        selector = f"{LABEL_MANAGED_BY}%3D{MANAGED_BY}"
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow_pods(selector))
            group.create_task(self._follow_secrets(selector))

    async def _follow_pods(self, selector: str) -> None:
        async for gone, pod in follow(self._http, self._kubelet.pods, selector):
            name = pod["metadata"]["name"]
            if gone or "deletionTimestamp" in pod["metadata"]:
                self._bound.pop(name, None)
                self._orders.pop(name, None)
                if life := self._lives.pop(name, None):
                    life.cancel()
            elif waits(pod) and name not in self._lives:
                self._bound[name] = pod
                self._begin(name)

    async def _follow_secrets(self, selector: str) -> None:
        async for gone, secret in follow(self._http, self._secrets, selector):
            name = secret["metadata"]["name"]
            if gone:
                self._orders.pop(name, None)
            elif name not in self._lives and ORDER_ENTRY in secret["data"]:
                self._orders[name] = base64.b64decode(secret["data"][ORDER_ENTRY]).decode()
                self._begin(name)

    def _begin(self, name: str) -> None:
        if name in self._bound and name in self._orders:
            pod, url = self._bound.pop(name), self._orders.pop(name)
            self._lives[name] = asyncio.create_task(self._live(pod, url))

    async def _live(self, pod: Object, url: str) -> None:
        started = now()
        await self._kubelet.set_running(pod, started)
        metadata = pod["metadata"]
        match metadata.get("annotations", {}).get(PART):
            case Part.HOLD:
                return
            case Part.CRASH_ONCE if metadata["labels"][LABEL_ATTEMPT] == "1":
                code, said = ExitCode.INTERNAL, "told to crash"
            case _:
                loop = asyncio.get_running_loop()
                code, said = await loop.run_in_executor(self._threads, do_part, self._store, url)
        await self._kubelet.set_ended(pod, started, int(code), said)
