"""S3 servers for tests, as processes on this machine."""

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from localcluster import binaries
from localcluster.commands import environment
from localcluster.errors import ClusterError

HOST = "127.0.0.1"
# Keys of test servers on this machine are no secrets.
ACCESS_KEY = "imagejob-test"
SECRET_KEY = "imagejob-test-secret"  # noqa: S105


@dataclass(frozen=True)
class Place:
    """Where a server keeps its buckets, where it listens, and the keys that it takes."""

    folder: Path
    port: int
    host: str = HOST
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    @property
    def address(self) -> str:
        """The address without a scheme."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class StoreCommand:
    """The command and environment of an S3 server."""

    argv: tuple[str, ...]
    environment: dict[str, str]


def _minio(program: str, place: Place) -> StoreCommand:
    argv = (program, "server", str(place.folder), "--address", place.address, "--quiet")
    # Its console would take a port of its own, and its update check the network.
    settings = {"MINIO_ROOT_USER": place.access_key, "MINIO_ROOT_PASSWORD": place.secret_key}
    return StoreCommand(argv, settings | {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"})


def _versitygw(program: str, place: Place) -> StoreCommand:
    argv = (program, "--port", place.address, "--quiet", "posix", str(place.folder))
    return StoreCommand(argv, {"ROOT_ACCESS_KEY": place.access_key, "ROOT_SECRET_KEY": place.secret_key})


def _seaweedfs(program: str, place: Place) -> StoreCommand:
    """One process with all of its servers; only the one for S3 is on the host that was asked for."""
    inner = ("master", "volume", "filer", "s3")
    ports = free_ports(2 * len(inner))
    argv = [program, "server", "-s3", f"-dir={place.folder}", f"-ip={HOST}", f"-ip.bind={HOST}"]
    argv += [f"-{name}.port={ports.pop()}" for name in inner if name != "s3"]
    argv += [f"-{name}.port.grpc={ports.pop()}" for name in inner]
    argv += [f"-s3.port={place.port}", f"-s3.ip.bind={place.host}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    argv += [f"-{name}.localSocket={place.folder}/{name}.sock" for name in ("filer", "s3")]
    # Nothing is reported to its authors. Buckets are small here, and so are the volumes of each.
    argv += ["-master.telemetry=false", "-volume.max=0", "-master.volumeSizeLimitMB=64"]
    # As S3 does: no bucket comes into being by an upload, and a backslash is no slash.
    argv += ["-s3.autoCreateBucket=false", "-s3.allowBackslashInKey=true"]
    keys = {"AWS_ACCESS_KEY_ID": place.access_key, "AWS_SECRET_ACCESS_KEY": place.secret_key}
    return StoreCommand(tuple(argv), keys)


@dataclass(frozen=True)
class Server:
    """An S3 server: the module that it is built from, and how it is started."""

    module: binaries.Module
    start: Callable[[str, Place], StoreCommand]

    def program(self) -> str:
        """Return the path of the program, building it if it is missing."""
        ((name, _),) = self.module.programs
        return str(binaries.ensure(self.module) / name)


SERVERS = {
    "minio": Server(binaries.MINIO, _minio),
    "versitygw": Server(binaries.VERSITYGW, _versitygw),
    "seaweedfs": Server(binaries.SEAWEEDFS, _seaweedfs),
}


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback address that are free, all different."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def command(server: str, place: Place) -> StoreCommand:
    """Return the command of a server."""
    if server not in SERVERS:
        raise ClusterError(f"unknown server {server}; use one of {', '.join(SERVERS)}")
    place.folder.mkdir(parents=True, exist_ok=True)
    return SERVERS[server].start(SERVERS[server].program(), place)


def serve(server: str, folder: Path, port: int) -> None:
    """Replace this process by the server; keys from the environment override the test keys."""
    start = command(server, Place(folder.absolute(), port))
    os.execve(start.argv[0], list(start.argv), start.environment | environment())  # noqa: S606
