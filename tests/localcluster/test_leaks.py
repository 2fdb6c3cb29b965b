"""The leak checker sees the programs of a cluster, and not those that other tests keep in the same cache."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

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
