"""The memory of an operator with many ImageJobs of 512 KiB inline data each, on a real API server."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cluster.conftest import GROUP, PLURAL, ROOT, VERSION
from cluster.crd_cases import KEYS

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

JOBS = 400
FILES, FILE_BYTES = 8, 64 * 1024
MAX_MIB = 200
CLASS = "memory"
PATIENCE = 240.0


@dataclass(frozen=True)
class Operator:
    """An operator outside of the cluster, with the rights of the kubeconfig."""

    process: subprocess.Popen[bytes]
    port: int

    def mib(self, name: str) -> float:
        """A size in MiB: `VmRSS` is resident memory now, `VmHWM` its highest value so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
        assert found, status
        return int(found[1]) / 1024

    def health(self) -> dict[str, Any]:
        """The answer of /healthz; empty if there is none yet."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5) as answer:
                found: dict[str, Any] = json.loads(answer.read())
                return found
        except OSError:
            return {}

    def suspended(self) -> int:
        """How many ImageJobs are suspended, by its own metrics."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                found = re.search(
                    r'^imagejob_jobs\{[^}]*phase="Suspended"[^}]*\} (\d+)',
                    answer.read().decode(),
                    re.MULTILINE,
                )
                return int(found[1]) if found else 0
        except OSError:
            return 0

    def wait_for(self, jobs: int) -> None:
        """Return when it has suspended so many jobs, and its watch has delivered all that was written."""

        def settled() -> bool:
            assert self.process.poll() is None, f"the operator ended with exit code {self.process.poll()}"
            health = self.health()
            idle = health.get("workqueueDepth") == health.get("missingFromWatch") == 0
            return idle and self.suspended() == jobs

        wait_until(settled, f"the operator has suspended {jobs} jobs")


def wait_until(holds: Any, what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.2)


def allocator() -> dict[str, str]:
    """The settings of glibc's allocator in the operator's image."""
    dockerfile = (ROOT / "Dockerfile").read_text()
    found = dict(re.findall(r"(MALLOC_MMAP_THRESHOLD_|GLIBC_TUNABLES)=(\S+)", dockerfile))
    assert len(found) == 2
    return found


@contextmanager
def operator(kubeconfig: str, namespace: str, log: Path) -> Iterator[Operator]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {
        "STORE_ENDPOINT": "127.0.0.1:1",
        "STORE_BUCKET": "none",
        "STORE_SECURE": "false",
        "PROCESSOR_IMAGE": "registry.test/processor:1",
        "INSTALLATION": CLASS,
        "CLASS": CLASS,
        "HTTP_PORT": str(port),
    }
    environment = {
        **os.environ,
        **allocator(),
        **{f"IMAGEJOB_{name}": value for name, value in settings.items()},
        "KUBECONFIG": kubeconfig,
        "POD_NAMESPACE": namespace,
        "POD_NAME": f"memory-{port}",
    }
    with log.open("ab") as output:
        command = [sys.executable, "-m", "imagejob_operator"]
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
    try:
        yield Operator(process, port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def large_job(number: int) -> dict[str, Any]:
    data = base64.b64encode(os.urandom(FILE_BYTES)).decode()
    files = [{"name": f"{position}.png", "data": data} for position in range(FILES)]
    spec = {**KEYS["spec"], "source": {"inline": files}, "suspend": True, "class": CLASS}
    return {**KEYS, "metadata": {"name": f"large-{number}"}, "spec": spec}


def test_400_suspended_jobs_of_512_kib(cluster: Any, namespace: str, tmp_path: Path) -> None:
    """A tenant creates them to have the operator killed for its memory at each start."""
    log, objects = tmp_path / "operator.log", cluster.objects
    place = (GROUP, VERSION, namespace, PLURAL)

    def create(number: int) -> None:
        objects.create_namespaced_custom_object(*place, large_job(number))

    def delete(number: int) -> None:
        with suppress(client.exceptions.NotFoundException):
            objects.delete_namespaced_custom_object(*place, f"large-{number}")

    try:
        with operator(cluster.kubeconfig, namespace, log) as idle:
            idle.wait_for(0)
            before = idle.mib("VmRSS")
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(create, range(JOBS)))
        with operator(cluster.kubeconfig, namespace, log) as loaded:
            # It lists them, writes the status of each, and gets them again from its watch.
            loaded.wait_for(JOBS)
            after, peak = loaded.mib("VmRSS"), loaded.mib("VmHWM")
        kib = (after - before) * 1024 / JOBS
        sys.stdout.write(
            f"{JOBS} jobs: {before:.0f} MiB without them, {after:.0f} MiB with them, peak {peak:.0f} MiB, "
            f"{kib:.1f} KiB per ImageJob\n"
        )
        assert max(after, peak) <= MAX_MIB, log.read_text()[-2000:]
    finally:
        # Without an operator: nothing of a job that was never started is to be cleaned.
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(delete, range(JOBS)))
        left = ("get", PLURAL, "--namespace", namespace, "--output=name", "--chunk-size=20")
        wait_until(lambda: not cluster.kubectl(*left).stdout, "all jobs are deleted")
