"""Both S3 servers start as a child process, answer, and end with it."""

import http.client
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from localcluster import binaries, stores
from localcluster.errors import ClusterError
from localcluster.waiting import wait_for


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((stores.HOST, 0))
        return int(probe.getsockname()[1])


@pytest.mark.store
@pytest.mark.timeout(900)
@pytest.mark.parametrize("server", sorted(stores.SERVERS))
def test_a_server_answers_and_refuses_strangers(server: str, tmp_path: Path) -> None:
    port = _free_port()
    package = Path(stores.__file__).resolve().parents[1]
    command = [sys.executable, "-m", "localcluster", "store", server]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--dir", str(tmp_path / "data"), "--port", str(port)],
            env={"PYTHONPATH": str(package)},
            stdout=log,
            stderr=log,
        )
    answers: list[int] = []

    def answered() -> str | None:
        assert process.poll() is None, (tmp_path / "log").read_text()
        connection = http.client.HTTPConnection(stores.HOST, port, timeout=2)
        try:
            connection.request("GET", "/")
            answers.append(connection.getresponse().status)
        except OSError as error:
            return str(error)
        finally:
            connection.close()
        return None if answers[-1] == 403 else f"HTTP {answers[-1]}"

    try:
        wait_for(f"{server} refuses an unsigned request", answered, 600, tmp_path / "log")
        assert Path(f"/proc/{process.pid}/exe").resolve().name == server, "it became the server"
    finally:
        process.terminate()
        process.wait(timeout=20)


def test_keys_can_be_chosen_by_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "ensure", lambda module: tmp_path)
    start = stores.command("minio", tmp_path / "data", 9000)
    assert start.argv[-3:] == ("--address", "127.0.0.1:9000", "--quiet")
    assert start.environment["MINIO_ROOT_USER"] == stores.ACCESS_KEY
    assert (tmp_path / "data").is_dir()


def test_an_unknown_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="unknown server nosuch"):
        stores.command("nosuch", tmp_path, 9000)
