"""Nodes that KWOK simulates, beside the real one or instead of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demo.kubectl import Kubectl
from localcluster import binaries
from localcluster.commands import run_logged, tail
from localcluster.errors import ClusterError
from localcluster.paths import cache_root
from localcluster.progress import step
from localcluster.waiting import wait_for

PREFIX = "simulated-"
MARK = "kwok.x-k8s.io/node"
STAGES = Path(__file__).with_name("stages.yaml")
SECONDS = 60

PLACEMENT: dict[str, Any] = {
    "nodeSelector": {MARK: "fake"},
    "tolerations": [{"key": MARK, "operator": "Exists", "effect": "NoSchedule"}],
}
"""What `spec.execution.podTemplate` must have for Pods to be given to simulated nodes."""


def _node(number: int) -> dict[str, Any]:
    name = f"{PREFIX}{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {MARK: "fake", "kubernetes.io/hostname": name},
            "annotations": {MARK: "fake"},
        },
        "spec": {"taints": [{"key": MARK, "value": "fake", "effect": "NoSchedule"}]},
    }


@contextmanager
def simulated_nodes(kubectl: Kubectl, count: int) -> Iterator[None]:
    """So many Ready nodes on which no container runs; they go with the block.

    Raises:
        ClusterError: when KWOK ends, or the nodes do not get ready.
    """
    kwok = binaries.ensure(binaries.KWOK) / "kwok"
    log = cache_root() / "logs" / f"kwok-{kubectl.kubeconfig.parent.name}.log"
    process = run_logged([str(kwok), f"--kubeconfig={kubectl.kubeconfig}", f"--config={STAGES}"], log)

    def not_ready() -> str | None:
        if process.poll() is not None:
            raise ClusterError(f"KWOK has ended; last lines of {log}:\n{tail(log)}")
        ready = kubectl("get", "nodes", "-l", f"{MARK}=fake", "--no-headers").count(" Ready ")
        return None if ready == count else f"{ready} of {count} nodes are ready"

    try:
        with step(f"{count} simulated nodes"):
            for number in range(count):
                kubectl.apply(_node(number))
            wait_for("simulated nodes", not_ready, SECONDS, log)
        yield
    finally:
        kubectl("delete", "nodes", "-l", f"{MARK}=fake", "--wait=false")
        process.terminate()
        process.wait()
