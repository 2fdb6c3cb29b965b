"""The native provider: one real node, without any container engine.

Components start in the order of their dependencies. Removal starts with the
processes, because the kernel then removes their mounts and devices.
"""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from localcluster import binaries, claims, machine, mounts, namespaces, pki, volumes
from localcluster.addresses import Addresses
from localcluster.api import Api
from localcluster.cgroups import of_cluster
from localcluster.cluster import Status
from localcluster.commands import run, tail
from localcluster.controlplane import ControlPlane, with_request_limit
from localcluster.errors import ClusterError
from localcluster.imagestore import ImageStore
from localcluster.locking import locked
from localcluster.namespaces import Namespaces
from localcluster.node import Node
from localcluster.paths import Layout, layout
from localcluster.processes import Process, Processes
from localcluster.program_images import PAUSE, of_program, write_archive
from localcluster.progress import say, step
from localcluster.waiting import wait_for

COMPONENTS = (
    *("namespaces", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("containerd", "kubelet", "kube-proxy", "coredns"),
)


class NativeCluster:
    """A cluster of processes on this machine."""

    PROVIDER = "native"

    def __init__(self, name: str) -> None:
        """Refer to the cluster of that name, which need not exist."""
        self._layout: Layout = layout(name)
        self._cgroup = of_cluster(name)
        self._processes = Processes(self._layout, self._cgroup)
        self._images = ImageStore(self._layout)

    def up(self) -> None:
        """Return if the cluster is healthy; else remove and create it."""
        machine.require_root()
        self._layout.require_room_for_sockets()
        with locked(Path(f"/run/lock/imagejob-{self._layout.name}.lock"), "this cluster"):
            began = time.monotonic()
            if self._why_unhealthy() is None:
                say(f"cluster {self._layout.name} is already up")
                return
            machine.install(machine.NODE_PACKAGES)
            for module in binaries.CLUSTER_MODULES:
                binaries.ensure(module)
            if self._traces():
                with step(f"removing the remains of an earlier cluster {self._layout.name}"):
                    self._remove()
            addresses = claims.claim(self._layout)
            self._start(addresses)
            say(f"cluster {self._layout.name} is up, {time.monotonic() - began:.1f} s")

    def down(self) -> None:
        """Remove the cluster completely, if it exists."""
        machine.require_root()
        with locked(Path(f"/run/lock/imagejob-{self._layout.name}.lock"), "this cluster"):
            if not self._traces():
                say(f"cluster {self._layout.name} does not exist")
                return
            with step(f"removing cluster {self._layout.name}"):
                self._remove()

    def status(self) -> Status:
        """Return the status."""
        why_not = self._why_unhealthy()
        addresses = self._addresses()
        return Status(
            name=self._layout.name,
            provider="native",
            healthy=why_not is None,
            why_not=why_not or "",
            root=str(self._layout.root),
            kubeconfig=str(self._layout.kubeconfig),
            audit_log=str(self._layout.audit_log),
            registry_hosts=str(self._layout.registry_hosts),
            logs=str(self._layout.root / "logs"),
            node_address=str(addresses.node) if addresses else "",
            host_address=str(addresses.host) if addresses else "",
            services=str(addresses.services) if addresses else "",
            pods=str(addresses.pods) if addresses else "",
        )

    def load(self, archive: Path, tag: str) -> bool:
        """Import a docker-archive into the node, unless it already has it."""
        return self._images.load(archive, tag)

    def binaries(self) -> Path:
        """Return the folder of kubectl."""
        return binaries.ensure(binaries.KUBERNETES)

    def stop(self, component: str) -> None:
        """Stop one component, as a fault for a test."""
        self._processes.stop(component)

    def restart(self, component: str) -> None:
        """Start a component again with the same arguments."""
        if component == "namespaces":
            raise ClusterError("the namespaces cannot be restarted; run `down` and `up`")
        recorded = self._processes.get(component)
        self._processes.stop(component)
        self._processes.start(component, recorded.argv, inside=self._processes.get("namespaces"))

    def limit_requests(self, per_second: int | None) -> None:
        """Start controllers and scheduler again with another limit of requests; None is their default."""
        holder = self._processes.get("namespaces")
        for component in ("kube-controller-manager", "kube-scheduler"):
            argv = with_request_limit(self._processes.get(component).argv, per_second)
            self._processes.stop(component)
            self._processes.start(component, argv, inside=holder)

    def _addresses(self) -> Addresses | None:
        try:
            return Addresses(int(json.loads(self._layout.state.read_text())["index"]))
        except (OSError, ValueError, KeyError):
            return None

    def _why_unhealthy(self) -> str | None:
        addresses = self._addresses()
        if addresses is None:
            return "it was never started"
        recorded = self._processes.recorded()
        dead = [n for n in COMPONENTS if n not in recorded or not recorded[n].is_alive()]
        if dead:
            return f"not running: {', '.join(dead)}"
        api = Api(self._layout, addresses)
        for probe in (api.not_ready, api.node_not_ready, api.service_not_reached, api.dns_not_ready):
            objection = probe()
            if objection is not None:
                return objection
        return None

    def _start(self, addresses: Addresses) -> None:
        kubernetes, pause, coredns = (binaries.ensure(m) for m in binaries.CLUSTER_MODULES)
        control = ControlPlane(self._layout, addresses, kubernetes)
        node = Node(self._layout, addresses, self._cgroup, kubernetes)
        api = Api(self._layout, addresses)
        with step("certificates, network, configuration"):
            self._cgroup.create()
            pki.create(self._layout, addresses)
            holder = Namespaces(self._layout, addresses).create(self._processes, pause / "pause")
            control.write_configuration()
            node.write_configuration()
        with step("etcd, kube-apiserver, containerd"):
            self._launch("etcd", control.etcd(), holder)
            self._launch("containerd", node.containerd(), holder)
            self._launch("kube-apiserver", control.api_server(), holder)
            sandbox = self._layout.root / "pause.tar"
            write_archive([of_program(PAUSE, pause / "pause")], sandbox)
            self._images.wait_until_open()
            self._images.load(sandbox, PAUSE)
            self._await("the API server", api.not_ready, "kube-apiserver")
            self._make_volumes(kubernetes / "kubectl")
        with step("controllers, scheduler, kubelet, kube-proxy, DNS"):
            self._launch("kube-controller-manager", control.controller_manager(), holder)
            self._launch("kube-scheduler", control.scheduler(), holder)
            self._launch("kube-proxy", node.proxy(), holder)
            self._launch("coredns", node.dns(coredns), holder)
            self._launch("kubelet", node.kubelet(), holder)
            self._await("a Ready node", api.node_not_ready, "kubelet")
            self._await("Service addresses", api.service_not_reached, "kube-proxy")
            self._await("DNS", api.dns_not_ready, "coredns")
        self._await("a healthy cluster", self._why_unhealthy, "kube-apiserver")

    def _make_volumes(self, kubectl: Path) -> None:
        folder = self._layout.root / "volumes"
        volumes.make_folders(folder)
        apply = [
            str(kubectl),
            "--kubeconfig",
            str(self._layout.kubeconfig),
            "apply",
            "--server-side",
            "-f",
            "-",
        ]
        run(apply, stdin=volumes.manifest(PurePosixPath(folder)))

    def _launch(self, component: str, argv: list[str], holder: Process) -> Process:
        return self._processes.start(component, argv, inside=holder)

    def _await(self, what: str, probe: Callable[[], str | None], component: str) -> None:
        log = self._layout.log(component)
        process = self._processes.get(component)

        def probe_alive() -> str | None:
            if not process.is_alive():
                raise ClusterError(f"{component} exited; last lines of {log}:\n{tail(log)}")
            return probe()

        wait_for(what, probe_alive, 120, log)

    def _traces(self) -> bool:
        held = (claims.FOLDER / f"{self._layout.name}.json").exists()
        return held or self._layout.root.exists() or self._cgroup.exists()

    def _remove(self) -> None:
        addresses = self._addresses()
        self._processes.kill_recorded()
        self._cgroup.kill()
        if addresses is not None:
            Namespaces(self._layout, addresses).delete_link()
        self._cgroup.remove()
        for point in mounts.unmount_below(self._layout.root):
            say(f"    unmounted {point}")
        if self._layout.root.exists():
            shutil.rmtree(self._layout.root)
        with claims.released(self._layout.name) as last:
            if last:
                namespaces.remove_private_mountpoints()
        parent = self._layout.root.parent
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
