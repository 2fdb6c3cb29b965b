"""The kind provider, against programs that only note how they were called."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from localcluster import commands, kind, machine, providers
from localcluster.errors import ClusterError
from localcluster.kind import KindCluster
from localcluster.native import NativeCluster
from localcluster.paths import Layout, repository

Plant = Callable[[str, str], None]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(commands, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("IMAGEJOB_CLUSTER_ROOT", str(tmp_path / "c"))
    monkeypatch.delenv("KIND_EXPERIMENTAL_PROVIDER", raising=False)
    monkeypatch.delenv(kind.NODE_IMAGE, raising=False)
    return tmp_path / "calls"


@pytest.fixture
def plant(tmp_path: Path, calls: Path) -> Plant:
    def write(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\n{script}\n')
        path.chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("kind_script", "docker", "expected"),
    [
        pytest.param("exit 0", "echo 28.2", "kind", id="both"),
        pytest.param("exit 0", "exit 1", "native", id="docker-client-without-an-engine"),
        pytest.param("exit 0", "echo", "native", id="docker-answers-nothing"),
        pytest.param("exit 0", None, "native", id="kind-alone"),
        pytest.param(None, "echo 28.2", "native", id="docker-alone"),
        pytest.param(None, None, "native", id="neither"),
    ],
)
def test_detection(kind_script: str | None, docker: str | None, expected: str, plant: Plant) -> None:
    if kind_script is not None:
        plant("kind", kind_script)
    if docker is not None:
        plant("docker", docker)
    assert providers.detect() == expected


def test_podman_is_asked_if_kind_is_set_to_use_it(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    plant("kind", "exit 0")
    plant("docker", "echo 28.2")
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "podman")
    assert providers.detect() == "native"
    plant("podman", "echo 4.3.1")
    assert providers.detect() == "kind"


def test_a_cluster_keeps_the_provider_that_made_it(plant: Plant, tmp_path: Path) -> None:
    plant("kind", "exit 0")
    plant("docker", "echo 28.2")
    assert isinstance(providers.cluster("dev"), KindCluster)
    root = tmp_path / "c" / "dev"
    root.mkdir(parents=True)
    (root / "cluster.json").write_text('{"index": 3}')
    assert isinstance(providers.cluster("dev"), NativeCluster)
    assert isinstance(providers.cluster("dev", "kind"), KindCluster)


def test_kind_command_lines(
    plant: Plant, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    plant("kind", '[ "$1 $2" = "create cluster" ] && touch "$6"; exit 0')
    plant("docker", 'case "$*" in *IPAddress*) echo 172.18.0.2 ;; *Gateway*) echo 172.18.0.1 ;; esac')
    plant("ip", "exit 0")
    (tmp_path / "bin" / "touch").symlink_to("/usr/bin/touch")
    cluster = providers.cluster("dev", "kind")
    root = tmp_path / "c" / "dev"
    archive = tmp_path / "image.tar"

    cluster.up()
    status = cluster.status()
    assert status.healthy
    assert (status.node_address, status.host_address) == ("172.18.0.2", "172.18.0.1")
    assert Path(status.registry_hosts).is_dir()
    assert Path(status.audit_log).parent.is_dir()
    cluster.up()
    cluster.load(archive, "localhost/x:dev")
    cluster.down()

    noted = calls.read_text().splitlines()
    where = f"--kubeconfig {root}/kubeconfig"
    create = f"kind create cluster --name imagejob-dev {where} --wait 180s --config {root}/kind.json"
    assert noted.count(create) == 1, "a healthy cluster is not created again"
    for network in ("10.96.0.0/16", "10.244.0.0/16"):
        assert noted.count(f"ip route add {network} via 172.18.0.2") == 1
    assert f"kind load image-archive {archive} --name imagejob-dev" in noted
    assert f"kind delete cluster --name imagejob-dev {where}" in noted
    assert not root.exists()


def test_the_configuration_of_kind_is_what_the_tests_need(tmp_path: Path) -> None:
    found = kind.configuration(Layout("dev", tmp_path), "localhost/imagejob-node:1")
    (node,) = found["nodes"]
    assert node["image"] == "localhost/imagejob-node:1"
    assert {mount["containerPath"] for mount in node["extraMounts"]} == {"/audit", "/etc/containerd/certs.d"}
    old, new, kubelet = map(json.loads, node["kubeadmConfigPatches"])
    assert old["apiServer"]["extraArgs"]["audit-log-path"] == "/audit/audit.log"
    assert {"name": "audit-log-path", "value": "/audit/audit.log"} in new["apiServer"]["extraArgs"]
    assert kubelet["serializeImagePulls"] is False
    assert "image" not in kind.configuration(Layout("dev", tmp_path), "")["nodes"][0]


def test_examples_fit_on_a_kind_node_of_two_cores() -> None:
    """Pods of kubeadm request 850m, the operator 250m and the store 100m."""
    for path in sorted((repository() / "examples").glob("*.yaml")):
        for document in filter(None, yaml.safe_load_all(path.read_text())):
            template = document.get("spec", {}).get("execution", {}).get("podTemplate", {})
            cpu = str(template.get("resources", {}).get("requests", {}).get("cpu", "0"))
            wanted = float(cpu.removesuffix("m")) if cpu.endswith("m") else 1000 * float(cpu)
            assert wanted <= 2000 - 850 - 250 - 100, path.name


def test_a_kind_cluster_that_does_not_answer_is_replaced(plant: Plant, calls: Path) -> None:
    plant("kind", 'if [ "$1" = get ]; then echo imagejob-dev; fi')
    plant("docker", "exit 1")
    providers.cluster("dev", "kind").up()
    verbs = [line.split()[1] for line in calls.read_text().splitlines() if line.startswith("kind")]
    assert verbs == ["get", "delete", "create"]


def test_missing_packages_without_apt_are_named(plant: Plant) -> None:
    with pytest.raises(ClusterError, match="install these packages yourself: nosuch"):
        machine.install([machine.Package("nosuch", "nosuch-program")])


def test_missing_packages_are_installed_together_after_one_update(plant: Plant, calls: Path) -> None:
    plant("apt-get", "exit 0")
    plant("present", "exit 0")
    wanted = [machine.Package(name, name) for name in ("one", "present", "two")]
    assert machine.install(wanted) == ["one", "two"]
    assert calls.read_text().splitlines() == [
        "apt-get update -q",
        "apt-get install -q -y --no-install-recommends one two",
    ]


def test_the_native_provider_says_that_it_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ClusterError, match="requires root"):
        providers.cluster("dev", "native").up()
