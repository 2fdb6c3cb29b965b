"""S3 servers start as a child process, answer, and end with it."""

import http.client
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import binaries, stores
from localcluster.errors import ClusterError
from localcluster.waiting import wait_for
from s3_servers import servers

USUAL = [name for name, server in stores.SERVERS.items() if server.module in binaries.ALL_MODULES]


@pytest.mark.store
@pytest.mark.timeout(900)
@pytest.mark.parametrize("server", USUAL)
def test_a_server_answers_and_refuses_strangers(server: str, tmp_path: Path) -> None:
    (port,) = stores.free_ports(1)
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
    place = stores.Place(tmp_path / "data", 9000)
    start = stores.command("minio", place)
    assert start.argv[-3:] == ("--address", "127.0.0.1:9000", "--quiet")
    assert start.environment["MINIO_ROOT_USER"] == stores.ACCESS_KEY
    assert stores.command("minio", replace(place, access_key="own")).environment["MINIO_ROOT_USER"] == "own"
    assert (tmp_path / "data").is_dir()


def test_the_usual_servers_are_those_of_the_contract() -> None:
    assert tuple(USUAL) == servers.USUAL


def test_seaweedfs_listens_for_s3_alone_where_it_is_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "ensure", lambda module: tmp_path)
    argv = stores.command("seaweedfs", stores.Place(tmp_path / "data", 9000, host="10.0.0.1")).argv
    ports = [word.rpartition("=")[2] for word in argv if ".port" in word and not word.endswith("=0")]
    assert len(ports) == len(set(ports)) == 8
    assert [word for word in argv if "10.0.0.1" in word] == ["-s3.ip.bind=10.0.0.1"]
    assert "-master.telemetry=false" in argv


def test_an_unknown_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="unknown server nosuch"):
        stores.command("nosuch", stores.Place(tmp_path, 9000))
