from pathlib import Path

import pytest

from localcluster import commands
from localcluster.errors import ClusterError
from localcluster.paths import cache_root, layout


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEJOB_CACHE", "/somewhere")
    assert cache_root() == Path("/somewhere")
    monkeypatch.delenv("IMAGEJOB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_root() == Path("/xdg/imagejob")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert cache_root() == Path("/home/someone/.cache/imagejob")


@pytest.mark.parametrize("value", ["", None])
def test_a_missing_home_is_looked_up(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "")
    if value is None:
        monkeypatch.delenv("HOME")
    assert commands.home().is_absolute()


def test_a_bare_path_is_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/mine:/usr/bin")
    folders = commands.search_path().split(":")
    assert folders[:2] == ["/mine", "/usr/bin"]
    assert "/usr/sbin" in folders
    assert folders.count("/usr/bin") == 1


@pytest.mark.parametrize("name", ["", "Dev", "a/b", "..", "-a", "a-", "x" * 21])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(ClusterError, match="invalid cluster name"):
        layout(name)


def test_a_root_too_long_for_sockets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEJOB_CLUSTER_ROOT", "/" + "x" * 80)
    with pytest.raises(ClusterError, match="too long for Unix sockets"):
        layout("dev").require_room_for_sockets()
