"""The kind provider, for machines with kind and a container engine.

`KIND_EXPERIMENTAL_PROVIDER=podman`, kind's own setting, selects Podman instead of Docker.
`IMAGEJOB_KIND_NODE_IMAGE` names the image of the node, else it is the one that kind comes with.
"""

import json
import os
import platform
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import Any

from localcluster.cluster import Status
from localcluster.commands import find_program, program, run
from localcluster.controlplane import AUDIT_POLICY
from localcluster.errors import ClusterError
from localcluster.paths import Layout, layout
from localcluster.progress import say, step

NODE_IMAGE = "IMAGEJOB_KIND_NODE_IMAGE"
# kind's default ranges.
SERVICES = "10.96.0.0/16"
PODS = "10.244.0.0/16"

POLICY = "/audit/audit-policy.yaml"
# In the node, which shares these folders with the machine.
AUDIT_ARGUMENTS = {
    "audit-policy-file": POLICY,
    "audit-log-path": "/audit/audit.log",
    # Written before the answer is sent: a test may read it at once.
    "audit-log-mode": "blocking",
    "audit-log-maxsize": "500",
    "audit-log-maxbackup": "2",
}

# As on the native cluster: a registry that is silent holds no other pulls.
PARALLEL_PULLS = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "serializeImagePulls": False,
}


def engine() -> str:
    """Return the container engine that kind uses."""
    return "podman" if os.environ.get("KIND_EXPERIMENTAL_PROVIDER") == "podman" else "docker"


def is_usable() -> bool:
    """Whether kind is installed and its engine responds."""
    if find_program("kind") is None or find_program(engine()) is None:
        return False
    version = "{{.ServerVersion}}" if engine() == "docker" else "{{.Version.Version}}"
    try:
        return bool(run([engine(), "info", "--format", version], timeout=15).strip())
    except ClusterError:
        return False


class KindCluster:
    """A cluster that kind keeps in a container."""

    PROVIDER = "kind"

    def __init__(self, name: str) -> None:
        """Refer to the cluster of that name, which need not exist."""
        self._layout = layout(name)
        self._kind_name = f"imagejob-{name}"
        self._node = f"{self._kind_name}-control-plane"

    def up(self) -> None:
        """Create the cluster, unless it is healthy."""
        if self._why_unhealthy() is None:
            say(f"cluster {self._layout.name} is already up")
            return
        self._layout.root.mkdir(parents=True, exist_ok=True)
        # Marks whose it is before anything exists, so that down finds it.
        (self._layout.root / "kind").write_text(self._kind_name)
        if self._kind_name in run(["kind", "get", "clusters"]).split():
            with step("removing the existing cluster, which does not respond"):
                run(["kind", "delete", "cluster", "--name", self._kind_name], timeout=300)
        with step("kind create cluster"):
            where = ["--kubeconfig", str(self._layout.kubeconfig), "--wait", "180s"]
            settings = ["--config", str(self._write_configuration())]
            run(["kind", "create", "cluster", "--name", self._kind_name, *where, *settings], timeout=1200)
        self._route()

    def _write_configuration(self) -> Path:
        self._layout.audit_log.parent.mkdir(parents=True, exist_ok=True)
        (self._layout.audit_log.parent / Path(POLICY).name).write_text(AUDIT_POLICY)
        self._layout.registry_hosts.mkdir(parents=True, exist_ok=True)
        path = self._layout.root / "kind.json"
        path.write_text(json.dumps(configuration(self._layout, os.environ.get(NODE_IMAGE, "")), indent=1))
        return path

    def _route(self) -> None:
        """Let this machine reach Services and Pods, as tests do; without root, there is port-forward."""
        node = self._node_address()
        if not node or platform.system() != "Linux" or os.geteuid() != 0:
            return
        for network in (SERVICES, PODS):
            try:
                run(["ip", "route", "add", network, "via", node])
            except ClusterError as error:
                say(
                    f"    no route to {network} via {node}, so tests of this cluster cannot run here: {error}"
                )

    def down(self) -> None:
        """Delete the cluster and our files. The routes end with the node."""
        with step("kind delete cluster"):
            where = ["--kubeconfig", str(self._layout.kubeconfig)]
            run(["kind", "delete", "cluster", "--name", self._kind_name, *where], timeout=300)
        self._delete_files()

    def _delete_files(self) -> None:
        audit, hosts = self._layout.audit_log.parent, self._layout.registry_hosts
        files = [self._layout.root / name for name in ("kind", "kind.json", "kubeconfig")]
        files += [self._kubectl(), *audit.glob("*"), *hosts.glob("*/hosts.toml")]
        for path in files:
            path.unlink(missing_ok=True)
        for folder in (self._kubectl().parent, audit, *hosts.glob("*"), hosts, self._layout.root):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def status(self) -> Status:
        """Return the status."""
        why_not = self._why_unhealthy()
        healthy = why_not is None
        return Status(
            name=self._layout.name,
            provider=self.PROVIDER,
            healthy=healthy,
            why_not=why_not or "",
            root=str(self._layout.root),
            kubeconfig=str(self._layout.kubeconfig),
            audit_log=str(self._layout.audit_log),
            registry_hosts=str(self._layout.registry_hosts),
            node_address=self._node_address() if healthy else "",
            host_address=self._inspect("Gateway") if healthy else "",
            services=SERVICES,
            pods=PODS,
        )

    def load(self, archive: Path, tag: str) -> bool:
        """Load an image from an archive into the node."""
        say(f"kind load image-archive ({tag})")
        run(["kind", "load", "image-archive", str(archive), "--name", self._kind_name], timeout=600)
        return True

    def binaries(self) -> Path:
        """Return a folder with the kubectl of the kind node."""
        kubectl = self._kubectl()
        if not kubectl.exists():
            kubectl.parent.mkdir(parents=True, exist_ok=True)
            run([engine(), "cp", f"{self._node}:/usr/bin/kubectl", str(kubectl)])
        return kubectl.parent

    def _kubectl(self) -> Path:
        return self._layout.root / "bin" / "kubectl"

    def _node_address(self) -> str:
        return self._inspect("IPAddress")

    def _inspect(self, field: str) -> str:
        """Return an address of the node's network; empty if the engine has none."""
        template = f"{{{{range .NetworkSettings.Networks}}}}{{{{.{field}}}}} {{{{end}}}}"
        try:
            return str(IPv4Address(run([engine(), "inspect", "--format", template, self._node]).split()[0]))
        except (ClusterError, IndexError, AddressValueError):
            return ""

    def _why_unhealthy(self) -> str | None:
        if not self._layout.kubeconfig.exists():
            return "it was never started"
        ready = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "get", "--raw", "/readyz"]
        try:
            program("kind")
            run([engine(), "exec", self._node, *ready], timeout=15)
        except ClusterError as error:
            return str(error)
        return None


def configuration(where: Layout, image: str) -> dict[str, Any]:
    """Return kind's configuration of one node, with an audit log and registry hosts for tests."""
    node: dict[str, Any] = {
        "role": "control-plane",
        "extraMounts": [
            {"hostPath": str(where.audit_log.parent), "containerPath": str(Path(POLICY).parent)},
            {"hostPath": str(where.registry_hosts), "containerPath": "/etc/containerd/certs.d"},
        ],
        "kubeadmConfigPatches": [json.dumps(patch) for patch in (*_audit_patches(), PARALLEL_PULLS)],
    }
    result: dict[str, Any] = {"kind": "Cluster", "apiVersion": "kind.x-k8s.io/v1alpha4", "nodes": [node]}
    if image:
        node["image"] = image
        # Our node image has nft, but not iptables in the image of kube-proxy.
        result["networking"] = {"kubeProxyMode": "nftables"}
    return result


def _audit_patches() -> list[dict[str, Any]]:
    """Return the same for both versions of kubeadm's API; kind applies the one that fits its Kubernetes."""
    volume = {"name": "audit", "hostPath": "/audit", "mountPath": "/audit"}
    as_list = [{"name": name, "value": value} for name, value in AUDIT_ARGUMENTS.items()]
    return [
        {
            "apiVersion": f"kubeadm.k8s.io/{version}",
            "kind": "ClusterConfiguration",
            "apiServer": {"extraArgs": arguments, "extraVolumes": [volume]},
        }
        for version, arguments in (("v1beta3", AUDIT_ARGUMENTS), ("v1beta4", as_list))
    ]
