"""CPU and memory of the processes of a cluster, requests to the store, and writes in the audit log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

from prometheus_client.parser import text_string_to_metric_families

from demo import stack
from demo.kubectl import Kubectl
from e2e.audit import ACCOUNT, Audit
from localcluster.cgroups import of_cluster
from localcluster.paths import layout
from localcluster.processes import Processes
from localcluster.waiting import wait_for
from scale.drive import LoadFailed

PROGRAMS = {"operator": "imagejob_operator", "MinIO": "minio"}
"""Programs that run in Pods, by the name of the program, or by a word of its arguments."""
COMPONENTS = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler")
BENCH = "bench"
"""This process, which creates the objects and plays the Pods."""
MACHINE = "machine"
"""All processes of the machine, those of the cluster included."""
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLE_SECONDS = 0.25
ROLLOUT_SECONDS = 60
FAR_FUTURE = 4102444800
REQUESTS = "minio_api_requests_total"


@dataclass(frozen=True)
class Reading:
    """All meters at one moment."""

    cpu: dict[str, float]
    """Seconds of CPU by component, user and system."""
    requests: Counter[str]
    """Requests that the store has served, by call."""
    audited: int
    """The position in the audit log."""


@dataclass(frozen=True)
class Used:
    """What was used between a reading and now."""

    cpu: dict[str, float]
    requests: Counter[str]
    operator_writes: Counter[str]
    all_writes: Counter[str]


class Meters:
    """The meters of one cluster of the native provider."""

    def __init__(self, kubectl: Kubectl, cluster: str, store: str, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._audit = Audit(layout(cluster).audit_log)
        self._pages = f"http://{store}/minio/metrics/v3/api/requests"
        self._token = metrics_token(*stack.store_keys(kubectl))
        self._in_pods = find_programs(cluster)

    def read(self) -> Reading:
        """Read all meters.

        Raises:
            LoadFailed: a process that was there at the beginning has ended.
        """
        try:
            cpu = {name: cpu_seconds(pid) for name, pid in self._pids().items()}
        except OSError as error:
            raise LoadFailed(f"a component was restarted: {error}") from error
        return Reading({**cpu, MACHINE: machine_seconds()}, self.served(), self._audit.mark())

    def since(self, before: Reading) -> Used:
        """What was used since an earlier reading."""
        now = self.read()
        cpu = {name: spent - before.cpu[name] for name, spent in now.cpu.items()}
        operator, everyone = (
            Counter(
                f"{w.verb} {w.resource}" for w in self._audit.writes(before.audited, user, self._namespace)
            )
            for user in (ACCOUNT, "")
        )
        return Used(cpu, now.requests - before.requests, operator, everyone)

    async def sample_memory(self, into: list[int]) -> None:
        """Sample the resident bytes of the operator until cancelled."""
        while True:
            into.append(resident_bytes(self._in_pods["operator"]))
            await asyncio.sleep(SAMPLE_SECONDS)

    def _pids(self) -> dict[str, int]:
        recorded = Processes(layout(self._cluster), of_cluster(self._cluster)).recorded()
        return {**{name: recorded[name].pid for name in COMPONENTS}, **self._in_pods, BENCH: os.getpid()}

    def served(self) -> Counter[str]:
        """Requests by call. The metrics of version 2 are up to ten seconds old; these are not."""
        request = Request(self._pages, headers={"Authorization": f"Bearer {self._token}"})
        with urlopen(request, timeout=10) as response:
            text = response.read().decode()
        return Counter(
            {
                sample.labels["name"]: int(sample.value)
                for family in text_string_to_metric_families(text)
                for sample in family.samples
                if sample.name == REQUESTS and sample.labels["type"] == "s3"
            }
        )


def find_programs(cluster: str) -> dict[str, int]:
    """The processes of the programs in Pods; waits until each has one, as after a rollout."""
    found: dict[str, list[int]] = {}

    def objection() -> str | None:
        found.clear()
        found.update({name: [] for name in PROGRAMS})
        for pid in of_cluster(cluster).members():
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                for name, word in PROGRAMS.items():
                    if word in (Path(command[0]).name, *command):
                        found[name].append(pid)
        wrong = {name: pids for name, pids in found.items() if len(pids) != 1}
        return f"processes: {wrong}" if wrong else None

    wait_for("one process of the operator and of the store", objection, ROLLOUT_SECONDS)
    return {name: pid for name, (pid,) in found.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process; ProcessLookupError or FileNotFoundError if it has ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def machine_seconds() -> float:
    """The time that all CPUs were busy: user, nice, system, interrupts."""
    user, nice, system, _, _, *interrupts = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + sum(interrupts)) / TICKS


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in RAM."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE


def metrics_token(access_key: str, secret_key: str) -> str:
    """A token for the metrics of MinIO, as `mc admin prometheus generate` makes it."""
    parts = ({"alg": "HS512", "typ": "JWT"}, {"exp": FAR_FUTURE, "sub": access_key, "iss": "prometheus"})
    signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    signature = hmac.digest(secret_key.encode(), signed, hashlib.sha512)
    return (signed + b"." + _base64(signature)).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")
