"""kind without a registry: what needs no cluster."""

import json
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from localcluster import binaries, machine, nodeimage, offline_kind, volumes
from localcluster.errors import ClusterError
from localcluster.kind import NODE_IMAGE


def test_a_command_runs_in_a_network_of_its_own_with_podman_and_our_node_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[Any] = []
    monkeypatch.setenv("IMAGEJOB_CACHE", str(tmp_path))
    monkeypatch.setattr(machine, "require_root", lambda: None)
    monkeypatch.setattr(machine, "install", lambda packages: [])
    monkeypatch.setattr(nodeimage, "ensure", lambda: "localhost/imagejob-node:1")
    monkeypatch.setattr(binaries, "ensure", lambda module: tmp_path / module.name)
    monkeypatch.setattr(os, "execve", lambda *arguments: executed.append(arguments))
    offline_kind.execute(["kind", "version"])
    ((program, argv, environment),) = executed
    assert program.endswith("unshare")
    assert argv[1] == "--net"
    assert argv[-2:] == ["kind", "version"]
    assert environment["PATH"].startswith(f"{tmp_path}/kind:")
    assert environment["KIND_EXPERIMENTAL_PROVIDER"] == "podman"
    assert environment[NODE_IMAGE] == "localhost/imagejob-node:1"
    settings = Path(environment["CONTAINERS_STORAGE_CONF"]).read_text()
    assert f'additionalimagestores = ["{tmp_path}/containers/storage"]' in settings
    assert Path(environment["CONTAINERS_CONF"]).is_file()


def test_with_kind_asks_for_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "require_root", lambda: None)
    with pytest.raises(ClusterError, match="with-kind needs a command"):
        offline_kind.execute([])


def test_a_kind_whose_files_have_changed_is_named(tmp_path: Path) -> None:
    path = tmp_path / "entrypoint"
    path.write_text("one line\n")
    nodeimage.edit(path, "one", "another")
    assert path.read_text() == "another line\n"
    with pytest.raises(ClusterError, match=r"entrypoint of this kind has no line 'one'"):
        nodeimage.edit(path, "one", "another")


def test_volumes_are_of_the_default_class_and_writable(tmp_path: Path) -> None:
    volumes.make_folders(tmp_path)
    assert all(stat.S_IMODE(folder.stat().st_mode) == 0o777 for folder in tmp_path.iterdir())
    storage_class, *found = json.loads(volumes.manifest(PurePosixPath(tmp_path)))["items"]
    annotations = storage_class["metadata"]["annotations"]
    assert annotations == {"storageclass.kubernetes.io/is-default-class": "true"}
    assert {volume["spec"]["storageClassName"] for volume in found} == {storage_class["metadata"]["name"]}
    assert {volume["spec"]["hostPath"]["path"] for volume in found} == set(map(str, tmp_path.iterdir()))
