"""The leak checker sees the programs of a cluster, and not those that other tests keep in the same cache."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcluster import binaries, leaks
from localcluster.paths import cache_root


@contextmanager
def running_as(name: str) -> Iterator[str]:
    """A process with this name that does nothing."""
    process = subprocess.Popen([name, "60"], executable="/bin/sleep")
    try:
        yield str(process.pid)
    finally:
        process.kill()
        process.wait()


def shows(pid: str) -> bool:
    return any(trace.startswith(f"{pid} ") for trace in leaks.take().traces["process"])


@pytest.mark.parametrize("module", binaries.CLUSTER_MODULES, ids=lambda module: module.name)
def test_what_is_left_of_a_cluster_shows(module: binaries.Module) -> None:
    with running_as(str(module.folder() / module.programs[0][0])) as pid:
        assert shows(pid)


def test_what_another_test_runs_does_not() -> None:
    with running_as(str(cache_root() / "bin" / "promtool")) as pid:
        assert not shows(pid)


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("memory/imagejob-gone/system", True),
        ("memory/kubepods/pod1", True),
        ("memory/another-program/1", False),
        ("memory/imagejob-beside/system", False),
    ],
)
def test_cgroups_of_other_programs_and_clusters_do_not_count(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: str, counts: bool
) -> None:
    monkeypatch.setattr("localcluster.leaks.cgroups.MOUNTED", tmp_path)
    before = leaks.take(beside=["beside"]).traces["cgroup"]
    (tmp_path / folder).mkdir(parents=True)
    assert (str(tmp_path / folder) in leaks.take(beside=["beside"]).traces["cgroup"] - before) is counts
