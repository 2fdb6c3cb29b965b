"""The S3 servers of the tests: which there are, which one a run is about, and how one is run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import urllib3

from imagejob_operator.ports.credentials import Credentials
from localcluster import stores
from localcluster.errors import ClusterError
from s3_servers import b2, r2
from s3_servers.proxy import playing

BEHIND = "minio"
"""The server behind a proxy that plays another store."""
EVERY = (*stores.SERVERS, "r2", "b2")
USUAL = ("minio", "versitygw")
"""The servers that `make test` runs."""
LACKS = {"r2": frozenset({"forms", "tags"}), "b2": frozenset({"forms", "tags", "conditions"})}
"""What stores do not implement: POST forms, tags, conditional writes."""
CHOICE = "IMAGEJOB_TEST_STORE"


@dataclass(frozen=True)
class S3Server:
    """A running server: `endpoint` is host:port, without TLS."""

    kind: str
    endpoint: str
    access_key: str = stores.ACCESS_KEY
    secret_key: str = stores.SECRET_KEY

    def credentials(self) -> Credentials:
        return Credentials(self.access_key, self.secret_key)


def fits(need: str, kind: str) -> bool:
    """Whether a server has what a test needs, such as `tags`, or lacks it (`no tags`)."""
    lacking = LACKS.get(kind, frozenset())
    absent = need.removeprefix("no ")
    return absent in lacking if absent != need else need not in lacking


def chosen() -> str:
    """The server that this test run is about; empty in the usual run."""
    kind = os.environ.get(CHOICE, "")
    if kind and kind not in EVERY:
        raise ClusterError(f"{CHOICE} is {kind!r}; use one of {', '.join(EVERY)}")
    return kind


@contextmanager
def serving(kind: str, place: stores.Place) -> Iterator[S3Server]:
    """Run a server during the block."""
    with _process(kind if kind in stores.SERVERS else BEHIND, place), _before(kind, place) as endpoint:
        yield S3Server(kind, endpoint, place.access_key, place.secret_key)


def _before(kind: str, place: stores.Place) -> AbstractContextManager[str]:
    """The endpoint: of the server, or of the proxy before it."""
    if kind == "r2":
        return playing(r2.refusal, place.address, r2.EXPIRED)
    if kind == "b2":
        return playing(b2.refusal, place.address)
    return nullcontext(place.address)


@contextmanager
def _process(kind: str, place: stores.Place) -> Iterator[None]:
    start = stores.command(kind, place)
    log = place.folder.with_suffix(".log")
    with log.open("wb") as output:
        environment = {**os.environ, **start.environment}
        process = subprocess.Popen(start.argv, env=environment, stdout=output, stderr=output)
    try:
        await_ready(process, place.address, log)
        yield
    finally:
        process.kill()
        process.wait()


def await_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path, ca_bundle: str = "") -> None:
    """Wait until the server answers a request without a signature by a refusal."""
    http = urllib3.PoolManager(retries=False, timeout=1)
    scheme = "http"
    if ca_bundle:
        scheme = "https"
        http = urllib3.PoolManager(retries=False, timeout=1, ca_cert_data=ca_bundle, assert_hostname=False)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if http.request("GET", f"{scheme}://{endpoint}/").status in (400, 401, 403):
                http.clear()
                return
        except (urllib3.exceptions.HTTPError, OSError):
            pass
        time.sleep(0.05)
    raise ClusterError(f"the server at {endpoint} does not answer:\n{log.read_text()[-2000:]}")
