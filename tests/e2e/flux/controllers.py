"""Flux's source-controller and kustomize-controller, as processes on this machine.

Both are built from their released Go modules; their CRDs come from the same modules. As `flux install` does,
each has a ServiceAccount in flux-system, with the rights of cluster-admin.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import urllib3
import yaml

from demo.kubectl import Kubectl
from localcluster import binaries
from localcluster.commands import SYSTEM_FOLDERS, run
from localcluster.golang import go_environment, go_program
from localcluster.stores import HOST, free_ports
from localcluster.waiting import wait_for

NAMESPACE = "flux-system"
SOURCE, KUSTOMIZE = "source-controller", "kustomize-controller"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{KUSTOMIZE}"
"""Who applies; the audit log names it."""

Object = dict[str, Any]


def crds() -> list[Path]:
    """The CRDs in the modules of the controllers, which are downloaded if they are missing."""
    modules = [package for _, package in binaries.FLUX.programs]
    words = [go_program(), "mod", "download", "-json", *modules]
    text = run(words, cwd=binaries.FLUX.sources, env=go_environment(), timeout=600)
    folders = [Path(found["Dir"]) for found in _documents(text)]
    return [
        path for folder in folders for path in sorted((folder / "config" / "crd" / "bases").glob("*.yaml"))
    ]


def _documents(text: str) -> Iterator[Object]:
    """JSON documents, one after the other."""
    decoder, rest = json.JSONDecoder(), text.strip()
    while rest:
        found, end = decoder.raw_decode(rest)
        yield found
        rest = rest[end:].lstrip()


class Flux:
    """The controllers of one cluster."""

    def __init__(self, kubectl: Kubectl, folder: Path) -> None:
        self._kubectl = kubectl
        self._folder = folder
        self._programs = binaries.ensure(binaries.FLUX)

    def install(self) -> None:
        """Create what the controllers need: CRDs, a namespace, and rights."""
        for path in crds():
            self._kubectl("apply", "--server-side", "-f", str(path))
        for body in _accounts():
            self._kubectl.apply(body, "--server-side", "--force-conflicts")
        self._kubectl("wait", "--for=condition=Established", "--timeout=60s", *self._own_crds())

    def uninstall(self) -> None:
        """Remove it; the controllers must run, since their objects have finalizers."""
        self._kubectl("delete", *self._own_crds(), "--ignore-not-found", "--timeout=100s")
        self._kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=100s")
        self._kubectl("delete", "clusterrolebinding", "cluster-reconciler", "--ignore-not-found")

    def _own_crds(self) -> list[str]:
        names = [yaml.safe_load(path.read_text())["metadata"]["name"] for path in crds()]
        return [f"customresourcedefinition/{name}" for name in names]

    @contextmanager
    def sources(self) -> Iterator[None]:
        """Run source-controller during the block."""
        port, data = free_ports(1)[0], self._folder / "data"
        data.mkdir(exist_ok=True)
        address = f"{HOST}:{port}"
        storage = (f"--storage-path={data}", f"--storage-addr={address}", f"--storage-adv-addr={address}")
        with self._running(SOURCE, storage):
            yield

    @contextmanager
    def applier(self, *more: str) -> Iterator[None]:
        """Run kustomize-controller during the block."""
        with self._running(KUSTOMIZE, more):
            yield

    @contextmanager
    def _running(self, name: str, more: Sequence[str]) -> Iterator[None]:
        health, metrics = free_ports(2)
        temporary, log = self._folder / f"{name}-tmp", self._folder / f"{name}.log"
        temporary.mkdir(exist_ok=True)
        command = [str(self._programs / name), "--watch-all-namespaces", "--log-encoding=json"]
        command += [f"--health-addr={HOST}:{health}", f"--metrics-addr={HOST}:{metrics}", *more]
        environment = {
            "KUBECONFIG": str(self._kubeconfig(name)),
            "RUNTIME_NAMESPACE": NAMESPACE,
            "PATH": ":".join(SYSTEM_FOLDERS),
            "HOME": str(self._folder),
            # It removes folders of earlier processes there.
            "TMPDIR": str(temporary),
        }
        with log.open("ab") as output, ExitStack() as ending:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            ending.callback(process.wait)
            ending.callback(process.kill)
            wait_for(f"{name} is ready", lambda: _not_ready(process, health), 60, log)
            yield
            assert process.poll() is None, f"{name} has exited: {log.read_text()[-2000:]}"

    def _kubeconfig(self, name: str) -> Path:
        """The kubeconfig of a controller: its ServiceAccount instead of the administrator."""
        view = json.loads(self._kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
        token = self._kubectl("create", "token", name, "-n", NAMESPACE, "--duration=2h").strip()
        view["users"] = [{"name": view["users"][0]["name"], "user": {"token": token}}]
        path = self._folder / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(json.dumps(view))
        return path

    def logs(self) -> str:
        """The ends of the logs of both."""
        ends = [(path.name, path.read_text()[-4000:]) for path in sorted(self._folder.glob("*.log"))]
        return "\n".join(f"== {name}\n{text}" for name, text in ends)


def _not_ready(process: subprocess.Popen[bytes], port: int) -> str | None:
    if process.poll() is not None:
        return f"it has exited with {process.returncode}"
    try:
        status = urllib3.request("GET", f"http://{HOST}:{port}/readyz", retries=False, timeout=1).status
    except (urllib3.exceptions.HTTPError, OSError) as error:
        return str(error)
    return None if status == 200 else f"status {status}"


def _accounts() -> list[Object]:
    subjects = [
        {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE} for name in (SOURCE, KUSTOMIZE)
    ]
    api = "rbac.authorization.k8s.io"
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        *(
            {"apiVersion": "v1", "kind": s["kind"], "metadata": {"name": s["name"], "namespace": NAMESPACE}}
            for s in subjects
        ),
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "cluster-reconciler"},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": subjects,
        },
    ]
