"""S3 servers for tests, as processes on the loopback address."""

import os
from dataclasses import dataclass
from pathlib import Path

from localcluster import binaries
from localcluster.commands import environment
from localcluster.errors import ClusterError

HOST = "127.0.0.1"
# Keys of test servers on the loopback address are no secrets.
ACCESS_KEY = "imagejob-test"
SECRET_KEY = "imagejob-test-secret"  # noqa: S105


@dataclass(frozen=True)
class StoreCommand:
    """The command and environment of an S3 server."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def _minio(folder: Path, port: int) -> StoreCommand:
    program = binaries.ensure(binaries.MINIO) / "minio"
    argv = (str(program), "server", str(folder), "--address", f"{HOST}:{port}", "--quiet")
    # Its console would take a port of its own, and its update check the network.
    settings = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY}
    return StoreCommand(argv, settings | {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"})


def _versitygw(folder: Path, port: int) -> StoreCommand:
    program = binaries.ensure(binaries.VERSITYGW) / "versitygw"
    argv = (str(program), "--port", f"{HOST}:{port}", "posix", str(folder))
    return StoreCommand(argv, {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY})


SERVERS = {"minio": _minio, "versitygw": _versitygw}


def command(server: str, folder: Path, port: int) -> StoreCommand:
    """Return the command of a server with its buckets in ``folder``."""
    if server not in SERVERS:
        raise ClusterError(f"unknown server {server}; use one of {', '.join(SERVERS)}")
    folder.mkdir(parents=True, exist_ok=True)
    return SERVERS[server](folder.absolute(), port)


def serve(server: str, folder: Path, port: int) -> None:
    """Replace this process by the server; keys from the environment override the test keys."""
    start = command(server, folder, port)
    os.execve(start.argv[0], list(start.argv), start.environment | environment())  # noqa: S606
