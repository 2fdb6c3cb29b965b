"""The S3 servers and the API server that contract tests run against."""

import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from cluster.conftest import Cluster, cluster  # noqa: F401  (a fixture)
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.ports.credentials import Credentials
from localcluster import binaries
from simulated.api import connect

ACCESS_KEY = "contract-tests"
SECRET_KEY = "contract-tests-secret"


@dataclass(frozen=True)
class S3Server:
    """A running server: `endpoint` is host:port, without TLS."""

    kind: str
    endpoint: str
    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY

    def credentials(self) -> Credentials:
        return Credentials(self.access_key, self.secret_key)


def binary(kind: str) -> str:
    folder = os.environ.get("IMAGEJOB_BIN", "")
    found = shutil.which(str(Path(folder) / kind)) if folder else shutil.which(kind)
    if found is None and folder:
        pytest.fail(f"there is no {kind} in {folder} (IMAGEJOB_BIN)")
    modules = {"minio": binaries.MINIO, "versitygw": binaries.VERSITYGW}
    return found or str(binaries.ensure(modules[kind]) / kind)


def command(kind: str, endpoint: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    if kind == "minio":
        return (
            [
                binary(kind),
                "server",
                str(folder),
                "--address",
                endpoint,
                "--console-address",
                "127.0.0.1:0",
                "--quiet",
            ],
            {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"},
        )
    return (
        [binary(kind), "--port", endpoint, "--quiet", "posix", str(folder)],
        {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path, ca_bundle: str = "") -> None:
    """Wait until the server answers a request for a bucket list with a verdict on our missing signature."""
    http = urllib3.PoolManager(retries=False, timeout=1)
    scheme = "http"
    if ca_bundle:
        scheme = "https"
        http = urllib3.PoolManager(retries=False, timeout=1, ca_cert_data=ca_bundle, assert_hostname=False)
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if http.request("GET", f"{scheme}://{endpoint}/").status in (400, 401, 403):
                http.clear()
                return
        except (urllib3.exceptions.HTTPError, OSError):
            pass
        time.sleep(0.05)
    pytest.fail(f"the server at {endpoint} does not answer:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="session", params=["minio", "versitygw"])
def s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    kind = request.param
    folder = tmp_path_factory.mktemp(kind)
    log = tmp_path_factory.mktemp("logs") / f"{kind}.log"
    endpoint = f"127.0.0.1:{free_port()}"
    words, environment = command(kind, endpoint, folder)
    with log.open("wb") as output:
        process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        await_ready(process, endpoint, log)
        yield S3Server(kind, endpoint)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
async def kube(cluster: Cluster) -> AsyncIterator[KubeHTTP]:  # noqa: F811
    """An API server, by the operator's own way to ask it."""
    async with connect(Path(cluster.kubeconfig)) as http:
        yield http


@pytest.fixture
async def namespace(kube: KubeHTTP) -> AsyncIterator[str]:
    """A namespace under the restricted Pod Security standard."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await kube.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    yield name
    await kube.request("DELETE", f"/api/v1/namespaces/{name}")
