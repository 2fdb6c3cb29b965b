"""Addressing styles, authorities of one's own, and credentials that change, on real servers."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import urllib3

from imagejob_operator.adapters.s3.client import bucket_url
from imagejob_operator.adapters.s3.file_credentials import FileCredentials
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.adapters.s3.streams import PART
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    ObjectChanged,
    ObjectHeaders,
    ObjectMissing,
    StoreDenied,
    StoreUnavailable,
    Stream,
)
from imagejob_processor.storage import Store
from localcluster import stores
from s3_servers.servers import S3Server, await_ready

pytestmark = pytest.mark.store

DOMAIN = "store.test"
MINUTE = timedelta(minutes=1)
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True)


def certificates(folder: Path) -> str:
    """An authority, and a key and a certificate of the server that it signs; the authority as PEM."""
    ca, key, cert = (str(folder / name) for name in ("ca.crt", "private.key", "public.crt"))
    openssl("req", "-x509", *NEW_KEY, "-keyout", str(folder / "ca.key"), "-out", ca, "-subj", "/CN=test")
    names = ("-addext", f"subjectAltName=DNS:{DOMAIN},DNS:*.{DOMAIN}", "-addext", "basicConstraints=CA:FALSE")
    signed = ("-CA", ca, "-CAkey", str(folder / "ca.key"), *names)
    openssl("req", "-x509", *NEW_KEY, *signed, "-keyout", key, "-out", cert, "-subj", f"/CN={DOMAIN}")
    return Path(ca).read_text()


@pytest.fixture(scope="module", params=["minio", "versitygw"])
def address(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StoreLocation]:
    """A server with TLS that knows both styles; its bucket is there."""
    folder, keys = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("keys")
    ca_bundle = certificates(keys)
    place = stores.Place(folder, *stores.free_ports(1))
    endpoint = f"{DOMAIN}:{place.port}"
    start = stores.command(request.param, place)
    words, environment = [*start.argv], {**start.environment}
    if request.param == "minio":
        words += ["--certs-dir", str(keys)]
        environment["MINIO_DOMAIN"] = DOMAIN
    else:
        tls = ["--cert", str(keys / "public.crt"), "--key", str(keys / "private.key")]
        words = [words[0], *tls, "--virtual-domain", endpoint, *words[1:]]
    (folder / "media").mkdir()
    log = keys / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(words, env={**os.environ, **environment}, stdout=output, stderr=output)
    try:
        await_ready(process, place.address, log, ca_bundle)
        yield StoreLocation(endpoint, "media", ca_bundle=ca_bundle)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name below the domain is this machine."""
    real = socket.getaddrinfo

    def look_up(host: Any, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if str(host).endswith(DOMAIN) else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def good() -> Credentials:
    return Credentials(stores.ACCESS_KEY, stores.SECRET_KEY)


@pytest.mark.parametrize("virtual_host", [False, True], ids=["path", "virtual-host"])
async def test_both_styles_with_an_authority_of_ones_own(address: StoreLocation, virtual_host: bool) -> None:
    style = replace(address, virtual_host=virtual_host)
    store = S3Store(style, good)
    try:
        put = await store.put("a b/ä.jpg", b"picture", "image/jpeg")
        assert await store.read("a b/ä.jpg", 100) == b"picture"
        assert [found.key async for found in store.walk("a b/")] == ["a b/ä.jpg"]
        assert (await store.copy(put, "a b/copy.jpg")).size == 7
        url = store.sign_get("a b/ä.jpg", MINUTE)
        assert url.startswith(f"{bucket_url(style, style.endpoint)}/")
        pod = Store(ca_bundle=address.ca_bundle)
        assert pod.get_source(url, put.etag, 100) == b"picture"
        form = store.sign_post("out/", 100, MINUTE)
        fields = [
            *form.fields.items(),
            ("key", "out/1"),
            ("Content-Type", "image/png"),
            ("file", ("file", b"x")),
        ]
        http = urllib3.PoolManager(ca_cert_data=address.ca_bundle)
        assert http.request("POST", form.url, fields=fields).status == 204
        assert await store.read("out/1", 10) == b"x"
        assert await store.put_if_absent("out/1", b"y", "image/png") is False
        assert await store.delete_prefix("a b/") == 2
    finally:
        store.close()


async def test_a_store_that_is_not_trusted_is_not_spoken_to(address: StoreLocation) -> None:
    store = S3Store(replace(address, ca_bundle=""), good)
    try:
        with pytest.raises(StoreUnavailable, match="certificate"):
            await store.put("never.txt", b"secret", "text/plain")
    finally:
        store.close()


def write(folder: Path, access: str, secret: str) -> None:
    """As a Secret is mounted: files are replaced, not written to."""
    for name, value in (("access-key", access), ("secret-key", secret)):
        (folder / f".{name}").write_text(value)
        (folder / f".{name}").replace(folder / name)


async def test_credentials_in_files_are_read_again_when_they_change(s3: S3Server, tmp_path: Path) -> None:
    store = S3Store(StoreLocation(s3.endpoint, "rotation", secure=False), FileCredentials(tmp_path))
    try:
        with pytest.raises(StoreUnavailable, match="access-key does not exist or is empty"):
            await store.stat("a")
        write(tmp_path, "unknown", "wrong")
        with pytest.raises(StoreDenied):
            await store.read("a", 1)
        write(tmp_path, s3.access_key, s3.secret_key)
        with pytest.raises(StoreDenied, match="NoSuchBucket"):
            await store.read("a", 1)
    finally:
        store.close()


@pytest.mark.parametrize(
    ("left", "longest", "seconds"),
    [(None, timedelta(days=7), 3600), (timedelta(minutes=5), timedelta(days=7), 300), (None, MINUTE, 60)],
)
def test_no_url_outlives_credentials_or_what_is_allowed(
    left: timedelta | None, longest: timedelta, seconds: int
) -> None:
    until = datetime.now(UTC) + left if left else None
    address = StoreLocation("127.0.0.1:9", "media", secure=False, longest_url=longest)
    store = S3Store(address, lambda: Credentials("a", "b", "token", until))
    hour = timedelta(hours=1)
    for url in (store.sign_get("a", hour), store.sign_put("a", hour)):
        query = parse_qs(urlsplit(url).query)
        assert seconds - 5 <= int(query["X-Amz-Expires"][0]) <= seconds
        assert query["X-Amz-Security-Token"] == ["token"]
    assert store.sign_post("a/", 1, hour).fields["x-amz-security-token"] == "token"
    store.close()


def test_nothing_is_signed_by_credentials_that_end_now() -> None:
    end = datetime.now(UTC) + timedelta(seconds=5)
    store = S3Store(StoreLocation("127.0.0.1:9", "media"), lambda: Credentials("a", "b", "t", end))
    with pytest.raises(StoreUnavailable, match="have expired"):
        store.sign_get("a", MINUTE)
    store.close()


@pytest.mark.parametrize("size", [0, 7, PART + 1], ids=["empty", "small", "in parts"])
async def test_an_object_passes_from_one_store_to_another(address: StoreLocation, size: int) -> None:
    """In parts, with its headers; an object that does not match leaves nothing behind."""
    store = S3Store(address, good)
    try:
        data = os.urandom(size)
        put = replace(await store.put("from/a", data, "image/png"), sha256=hashlib.sha256(data).hexdigest())
        headers = ObjectHeaders(
            "image/webp", cache_control="no-store", metadata={"who": "me"}, tags={"a": "b"}
        )
        await store.put_from("to/a", store.reader(put), put, headers)
        assert await store.read("to/a", size) == data
        seen = Store(ca_bundle=address.ca_bundle).get_source(store.sign_get("to/a", MINUTE), "", size + 1)
        assert seen == data
        with pytest.raises(ChecksumMismatch, match=rf"{put.sha256}, expected {'0' * 64}"):
            await store.put_from("to/b", store.reader(put), replace(put, sha256="0" * 64))
        assert [found.key async for found in store.walk("to/")] == ["to/a"]
        for wrong in (replace(put, size=size + 1), replace(put, etag="0" * 32)):
            with pytest.raises((ObjectChanged, StoreUnavailable)):
                await store.put_from("to/b", store.reader(wrong), wrong)
            assert [found.key async for found in store.walk("to/")] == ["to/a"], wrong
        assert [found.key async for found in store.walk("to/")] == ["to/a"]
        gone = replace(put, key="from/none")
        with pytest.raises(ObjectMissing):
            await store.put_from("to/b", store.reader(gone), gone)
        assert [found.key async for found in store.walk("to/")] == ["to/a"]
        await store.delete_prefix("from/")
        await store.delete_prefix("to/")
    finally:
        store.close()


async def test_a_copy_that_breaks_starts_again(address: StoreLocation) -> None:
    """Each try opens its own stream from the first byte; nothing of a broken one is left."""
    store = S3Store(address, good)
    opened: list[int] = []
    try:
        data = os.urandom(100_000)
        put = await store.put("from/a", data, "image/png")
        inner = store.reader(put)

        class Breaking:
            def __init__(self, stream: Stream) -> None:
                self._stream, self._given = stream, 0

            def read(self, amount: int, /) -> bytes:
                if self._given > 50_000 and len(opened) == 1:
                    raise urllib3.exceptions.ProtocolError("cut")
                data = self._stream.read(min(amount, 30_000))
                self._given += len(data)
                return data

        @contextlib.contextmanager
        def breaking() -> Iterator[Stream]:
            opened.append(1)
            with inner() as stream:
                yield Breaking(stream)

        with pytest.raises(StoreUnavailable):
            await store.put_from("to/a", breaking, put)
        await store.put_from("to/a", breaking, put)
        assert len(opened) == 2
        assert await store.read("to/a", len(data)) == data
    finally:
        store.close()
