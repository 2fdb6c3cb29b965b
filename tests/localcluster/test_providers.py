"""The kind provider, against programs that only note how they were called."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from localcluster import commands, machine, providers
from localcluster.errors import ClusterError
from localcluster.kind import KindCluster
from localcluster.native import NativeCluster

Plant = Callable[[str, str], None]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(commands, "SYSTEM_FOLDERS", ())
    monkeypatch.setenv("IMAGEJOB_CLUSTER_ROOT", str(tmp_path / "c"))
    return tmp_path / "calls"


@pytest.fixture
def plant(tmp_path: Path, calls: Path) -> Plant:
    def write(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {calls}\n{script}\n')
        path.chmod(0o755)

    return write


@pytest.mark.parametrize(
    ("kind", "docker", "expected"),
    [
        pytest.param("exit 0", "echo 28.2", "kind", id="both"),
        pytest.param("exit 0", "exit 1", "native", id="docker-client-without-an-engine"),
        pytest.param("exit 0", "echo", "native", id="docker-answers-nothing"),
        pytest.param("exit 0", None, "native", id="kind-alone"),
        pytest.param(None, "echo 28.2", "native", id="docker-alone"),
        pytest.param(None, None, "native", id="neither"),
    ],
)
def test_detection(kind: str | None, docker: str | None, expected: str, plant: Plant) -> None:
    if kind is not None:
        plant("kind", kind)
    if docker is not None:
        plant("docker", docker)
    assert providers.detect() == expected


def test_a_cluster_keeps_the_provider_that_made_it(plant: Plant, tmp_path: Path) -> None:
    plant("kind", "exit 0")
    plant("docker", "echo 28.2")
    assert isinstance(providers.cluster("dev"), KindCluster)
    root = tmp_path / "c" / "dev"
    root.mkdir(parents=True)
    (root / "cluster.json").write_text('{"index": 3}')
    assert isinstance(providers.cluster("dev"), NativeCluster)
    assert isinstance(providers.cluster("dev", "kind"), KindCluster)


def test_kind_command_lines(plant: Plant, calls: Path, tmp_path: Path) -> None:
    plant("kind", '[ "$1 $2" = "create cluster" ] && touch "$6"; exit 0')
    plant("docker", "exit 0")
    (tmp_path / "bin" / "touch").symlink_to("/usr/bin/touch")
    cluster = providers.cluster("dev", "kind")
    kubeconfig = tmp_path / "c" / "dev" / "kubeconfig"
    archive = tmp_path / "image.tar"

    cluster.up()
    assert cluster.status().healthy
    cluster.up()
    cluster.load(archive, "localhost/x:dev")
    cluster.down()

    noted = calls.read_text().splitlines()
    create = f"kind create cluster --name imagejob-dev --kubeconfig {kubeconfig} --wait 180s"
    assert noted.count(create) == 1, "a healthy cluster is not created again"
    assert f"kind load image-archive {archive} --name imagejob-dev" in noted
    assert f"kind delete cluster --name imagejob-dev --kubeconfig {kubeconfig}" in noted
    assert not (tmp_path / "c" / "dev").exists()


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
