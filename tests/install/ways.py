"""The ways to install the operator and to uninstall it, with the commands of docs/administrators."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.kubectl import Kubectl
from distribution.chart import chart_folder, version
from distribution.install_yaml import install_yaml
from distribution.rendering import helm_program
from localcluster.commands import run
from localcluster.paths import repository
from s3_servers.servers import S3Server

HOME = "imagejob-system"
OPERATOR = "imagejob-operator"
REGISTRY, TAG = "localhost", "dev"
INSTALLATION = "install-test"


@dataclass(frozen=True)
class Machine:
    """A cluster with our images, a store that it reaches, and a folder for files."""

    kubectl: Kubectl
    store: S3Server
    bucket: str
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        """The settings that an administrator must choose."""
        return {
            "IMAGEJOB_STORE_ENDPOINT": self.store.endpoint,
            "IMAGEJOB_STORE_BUCKET": self.bucket,
            "IMAGEJOB_STORE_SECURE": "false",
            "IMAGEJOB_INSTALLATION": INSTALLATION,
        }

    @property
    def processor_setting(self) -> dict[str, str]:
        """The setting that only the chart makes by itself."""
        return {"IMAGEJOB_PROCESSOR_IMAGE": f"{REGISTRY}/imagejob-processor:{TAG}"}

    def helm(self, *words: str) -> str:
        """Run Helm on the cluster."""
        return run(
            [str(helm_program()), *words], env={"KUBECONFIG": str(self.kubectl.kubeconfig)}, timeout=300
        )

    def await_operator(self) -> None:
        """Wait until the operator is ready."""
        self.kubectl("rollout", "status", "-n", HOME, f"deployment/{OPERATOR}", "--timeout=90s")

    def create_credentials(self) -> None:
        """The Secret with the keys of the store."""
        keys = (f"--from-literal=access-key={self.store.access_key}",)
        keys += (f"--from-literal=secret-key={self.store.secret_key}",)
        self.kubectl("create", "secret", "generic", "imagejob-store", "-n", HOME, *keys)

    def delete_jobs(self) -> None:
        """All ImageJobs, while the operator runs: it cleans them."""
        self.kubectl("delete", "imagejobs", "--all", "-A", "--timeout=90s")


def _file(machine: Machine, name: str, content: Mapping[str, Any] | str) -> str:
    path = machine.folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(dict(content)))
    return str(path)


def helm_install(machine: Machine) -> None:
    """The chart with the production values, and its test."""
    values = {
        "image": {"repository": f"{REGISTRY}/{OPERATOR}", "tag": TAG},
        "processorImage": {"repository": f"{REGISTRY}/imagejob-processor", "tag": TAG},
        "settings": machine.settings,
        "uninstall": {"timeoutSeconds": 60},
    }
    machine.kubectl("create", "namespace", HOME)
    machine.kubectl("label", "namespace", HOME, "pod-security.kubernetes.io/enforce=restricted")
    machine.create_credentials()
    production = str(chart_folder() / "values-production.yaml")
    files = ("--values", production, "--values", _file(machine, "values.yaml", values))
    machine.helm("install", "imagejob", str(chart_folder()), "-n", HOME, *files, "--wait", "--timeout", "90s")
    assert "Phase:          Succeeded" in machine.helm("test", "imagejob", "-n", HOME, "--timeout", "60s")


def helm_install_another(machine: Machine, namespace: str, *words: str) -> None:
    """A further release, with the values of the first one and more."""
    values = ("--values", str(machine.folder / "values.yaml"), "--set", "crds.install=false", *words)
    machine.helm("install", namespace, str(chart_folder()), "-n", namespace, "--create-namespace", *values)


def helm_uninstall(machine: Machine) -> None:
    """The hook deletes jobs in flight; the administrator's Secret and the namespace stay."""
    machine.helm("uninstall", "imagejob", "-n", HOME, "--wait", "--timeout", "120s")


def kustomize_install(machine: Machine) -> None:
    """An overlay of one's own over the production one."""
    production = repository() / "manifests" / "overlays" / "production"
    settings = {**machine.settings, **machine.processor_setting}
    overlay = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": HOME,
        "resources": [os.path.relpath(production, (machine.folder / "overlay").resolve())],
        "configMapGenerator": [
            {
                "name": OPERATOR,
                "behavior": "merge",
                "literals": [f"{name}={value}" for name, value in settings.items()],
            }
        ],
        "images": [
            {"name": f"registry.example.com/{OPERATOR}", "newName": f"{REGISTRY}/{OPERATOR}", "newTag": TAG}
        ],
    }
    _file(machine, "overlay/kustomization.yaml", overlay)
    machine.kubectl("create", "namespace", HOME)
    machine.create_credentials()
    machine.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(machine.folder / "overlay"))
    machine.await_operator()


def command_line_uninstall(machine: Machine) -> None:
    """ImageJobs, CRDs, operator and namespace; of a release of Helm the CRDs and ImageJobs only."""
    environment = {"KUBECONFIG": str(machine.kubectl.kubeconfig)}
    run([str(Path(sys.executable).parent / "imagejob"), "uninstall", "--yes"], env=environment, timeout=200)


def manifest_install(machine: Machine) -> None:
    """install.yaml of a release, with the tag of the images that the cluster has."""
    settings = {**machine.settings, **machine.processor_setting}
    literals = [f"--from-literal={name}={value}" for name, value in settings.items()]
    machine.kubectl("create", "namespace", HOME)
    machine.kubectl("create", "configmap", OPERATOR, "-n", HOME, *literals)
    machine.create_credentials()
    text = install_yaml(REGISTRY).replace(f"{OPERATOR}:{version()}", f"{OPERATOR}:{TAG}")
    path = _file(machine, "install.yaml", text)
    machine.kubectl("apply", "--server-side", "--force-conflicts", "-f", path)
    machine.await_operator()


def manifest_uninstall(machine: Machine) -> None:
    """The CRDs and the namespace go too."""
    machine.delete_jobs()
    machine.kubectl("delete", "-f", str(machine.folder / "install.yaml"), "--timeout=60s")


@dataclass(frozen=True)
class Way:
    """One way to install; `keeps_crds` if ImageJobs that have ended outlive the operator."""

    install: Callable[[Machine], None]
    uninstall: Callable[[Machine], None]
    keeps_crds: bool = False


WAYS = {
    "helm": Way(helm_install, helm_uninstall, keeps_crds=True),
    "kustomize": Way(kustomize_install, command_line_uninstall),
    "install.yaml": Way(manifest_install, manifest_uninstall),
}

SHOPS = {name: f"shop-{name.replace('.', '-')}" for name in WAYS}
"""The namespace with ImageJobs, one for each way."""
