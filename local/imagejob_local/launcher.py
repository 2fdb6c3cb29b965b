"""Pods as child processes: see the port Launcher.

A Pod is kept as the object that the API server would have. The launcher writes its status as a kubelet does,
and the operator reads it as on a cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from imagejob_contract.order import ORDER_URL_VARIABLE, TERMINATION_LOG_VARIABLE
from imagejob_operator.adapters.kubernetes.pod_manifest import (
    CONTAINER,
    PodSettings,
    pod_manifest,
    remaining_time,
)
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.api.imagejob import Identity, ImageJob
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.ports.clock import Clock

SETTINGS = PodSettings(installation="local", image="local")
COMMAND = (sys.executable, "-P", "-m", "imagejob_local.pod")
MAX_MESSAGE_BYTES = 4096
"""Of a termination message, as on a cluster."""
MAX_LINE_BYTES = 1024 * 1024
SIGNALLED = 128
"""A process that a signal has ended has this exit code, plus the number of the signal."""

AttemptChanged = Callable[[Identity, Attempt], None]


@dataclass(slots=True)
class _Pod:
    body: dict[str, Any]
    process: asyncio.subprocess.Process | None = None
    task: asyncio.Task[None] | None = None

    def kill(self) -> None:
        """Kill all processes of the Pod."""
        if self.process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)


class ProcessLauncher:
    """Launches Pods as processes. `changed` and `gone` report attempts; `log` gets the lines of Pods."""

    def __init__(self, folder: Path, clock: Clock, log: Callable[[bytes], None]) -> None:
        """Termination messages are written to files in the folder."""
        self._folder = folder
        self._clock = clock
        self._log = log
        self.changed: AttemptChanged = lambda job, attempt: None
        self.gone: AttemptChanged = lambda job, attempt: None
        self._pods: dict[str, _Pod] = {}

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        """See the port."""
        body = pod_manifest(SETTINGS, job, shard, number, remaining_time(self._clock(), ends_by))
        created = {"uid": str(uuid.uuid4()), "creationTimestamp": self._clock().isoformat()}
        body["metadata"] |= created
        pod = self._pods.setdefault(body["metadata"]["name"], _Pod({**body, "status": {"phase": "Pending"}}))
        return _attempt(pod)[1]

    async def rehearse(self, job: ImageJob, ends_by: datetime) -> str:
        """See the port; nothing limits Pods here."""
        return ""

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        """Start the process of the Pod."""
        pod = self._pods.get(attempt.name)
        if pod and pod.task is None:
            pod.task = asyncio.create_task(self._run(pod, order_url))

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        """See the port; there are no Events."""
        return ""

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        """Kill the processes of the Pod."""
        pod = self._pods.pop(attempt.name, None)
        if pod:
            await _end(pod)
            self.gone(*_attempt(pod))

    async def close(self) -> None:
        """Kill all Pods."""
        pods, self._pods = self._pods, {}
        await asyncio.gather(*map(_end, pods.values()))

    async def _run(self, pod: _Pod, order_url: str) -> None:
        message = self._folder / pod.body["metadata"]["uid"]
        state: dict[str, Any] = {"startedAt": self._clock().isoformat()}
        process = pod.process = await asyncio.create_subprocess_exec(
            *COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, ORDER_URL_VARIABLE: order_url, TERMINATION_LOG_VARIABLE: str(message)},
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )
        self._report(pod, {"phase": "Running"}, {"running": state})
        try:
            async with asyncio.timeout(pod.body["spec"]["activeDeadlineSeconds"]):
                await self._read_log(process)
                code = await process.wait()
        except TimeoutError:
            pod.kill()
            code = await process.wait()
        finally:
            # Decoders that outlive the Pod's main process.
            pod.kill()
        state["exitCode"] = code if code >= 0 else SIGNALLED - code
        state["finishedAt"] = self._clock().isoformat()
        with contextlib.suppress(OSError):
            state["message"] = message.read_bytes()[:MAX_MESSAGE_BYTES].decode(errors="replace")
        self._report(pod, {"phase": "Failed" if code else "Succeeded"}, {"terminated": state})

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None  # noqa: S101  (it is a pipe)
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a line that is too long
                continue
            if not line:
                return
            self._log(line)

    def _report(self, pod: _Pod, status: dict[str, Any], state: dict[str, Any]) -> None:
        pod.body["status"] = {**status, "containerStatuses": [{"name": CONTAINER, "state": state}]}
        if self._pods.get(pod.body["metadata"]["name"]) is pod:
            self.changed(*_attempt(pod))


async def _end(pod: _Pod) -> None:
    pod.kill()
    if pod.task:
        if pod.process is None:
            pod.task.cancel()
        await asyncio.gather(pod.task, return_exceptions=True)


def _attempt(pod: _Pod) -> tuple[Identity, Attempt]:
    found = read_attempt(pod.body)
    assert found is not None  # noqa: S101  (its manifest names its job)
    return found
