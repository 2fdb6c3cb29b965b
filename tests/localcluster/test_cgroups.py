"""The cgroup of a cluster: what its components and its Pods get."""

from __future__ import annotations

from pathlib import Path

import pytest

from localcluster.cgroups import ClusterCgroup


@pytest.mark.parametrize(
    ("hierarchy", "setting", "usual", "wanted"),
    [("cpu", "cpu.shares", "1024", "2048"), ("", "cpu.weight", "100", "79")],
    ids=["version 1", "version 2"],
)
def test_components_have_as_much_cpu_time_as_pods(
    tmp_path: Path, hierarchy: str, setting: str, usual: str, wanted: str
) -> None:
    """The kernel makes the files with the folder; here they are there before."""
    system = tmp_path / hierarchy / "imagejob-x" / "system"
    system.mkdir(parents=True)
    (system / setting).write_text(usual)
    for folder in (system.parent.parent, system.parent):
        (folder / "cgroup.procs").touch()
        if not hierarchy:
            (folder / "cgroup.controllers").write_text("cpu memory")
    ClusterCgroup("imagejob-x", tmp_path).create()
    assert (system / setting).read_text() == wanted
