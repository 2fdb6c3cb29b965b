"""The objects of a namespace in a store."""

from __future__ import annotations

import configparser
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from imagejob.errors import StoreFailed
from imagejob.port_forward import dialler
from imagejob.store_location import FoundStore, service_of
from imagejob.transport import Transport
from imagejob_operator.naming.names import RESERVED_ROOTS

if TYPE_CHECKING:
    from minio import Minio
    from minio.credentials.providers import Provider

    from imagejob.store_pool import StorePool
    from imagejob_operator.documents.report import Report

CONNECTIONS = 8
CHUNK = 1 << 18
LONGEST_LINK = timedelta(days=7)
"""The limit of S3."""
SHA256 = "imagejob-sha256"
"""The name of the metadata with the hash of an object."""
NO_CREDENTIALS = (
    "there are no credentials for it: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE for a "
    "profile in ~/.aws/credentials; for a login with SSO, run: "
    'eval "$(aws configure export-credentials --format env)"'
)

Advance = Callable[[int], object]
"""Called with the number of bytes that were transferred since the last call."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object: its key below the namespace's part, and its bytes."""

    key: str
    size: int
    etag: str
    """Without quotes; empty if it is not known, or certainly no hash of the bytes."""
    sha256: str = ""
    """The hash of the bytes in hex, if the store has it; a listing never has."""


class Readable(Protocol):
    """A file that is uploaded."""

    def read(self, count: int = -1, /) -> bytes:
        """The next bytes, empty at the end."""


class Objects(Protocol):
    """What a command needs of a bucket; tests have one in memory. All raise StoreFailed."""

    name: str
    linkable: bool
    """Whether a browser on this machine can open links."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects below a prefix, by key, without those of the operator."""

    def find(self, key: str) -> StoredObject | None:
        """One object; None if it does not exist."""

    def read(self, key: str, file: BinaryIO, advance: Advance) -> None:
        """Write the bytes of an object to a file."""

    def write(self, key: str, file: Readable, size: int, content_type: str, sha256: str = "") -> None:
        """Store an object of `size` bytes, with their hash in hex."""

    def link(self, key: str, lifetime: timedelta) -> str:
        """A URL with which anybody can read the object, for at most seven days."""

    def report(self, key: str) -> Report:
        """The report at `status.report` of an ImageJob."""

    def stop(self) -> None:
        """End what other threads send or receive; it cannot be used any more."""


class Bucket:
    """The objects of a namespace in a bucket, with the credentials of the user. Threads may share it."""

    def __init__(self, transport: Transport, found: FoundStore) -> None:
        """Prepare the connection; no request is sent to the store yet.

        Raises:
            StoreFailed: There are no credentials, or the store cannot be reached.
        """
        self._found = found
        self._location = found.location
        self.name = f"bucket {found.location.bucket!r} of {found.name}"
        self.linkable = service_of(found.location) is None
        self._http = _pool(transport, found)
        self._minio = _client(found, self._http)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See Objects."""
        from imagejob.listing import list_objects

        part = self._location.prefix
        with self._explained(f"list {prefix!r}"):
            for found in list_objects(self._minio, self._location.bucket, part + prefix):
                key = str(found.object_name).removeprefix(part)
                if not found.is_dir and key.partition("/")[0] not in RESERVED_ROOTS:
                    yield StoredObject(key, found.size or 0, (found.etag or "").strip('"'))

    def find(self, key: str) -> StoredObject | None:
        """See Objects."""
        from minio.error import S3Error

        with self._explained(f"read {key!r}"):
            try:
                found = self._minio.stat_object(self._location.bucket, self._location.prefix + key)
            except S3Error as error:
                if error.code in ("NoSuchKey", "NoSuchObject"):
                    return None
                raise
        headers: Mapping[str, str] = found.metadata or {}
        etag = "" if _encrypted(headers) else (found.etag or "").strip('"')
        return StoredObject(key, found.size or 0, etag, headers.get(f"x-amz-meta-{SHA256}", ""))

    def read(self, key: str, file: BinaryIO, advance: Advance) -> None:
        """See Objects."""
        self._read(self._location.prefix + key, file, advance)

    def _read(self, whole: str, file: BinaryIO, advance: Advance) -> None:
        with self._explained(f"read {whole!r}"):
            response = self._minio.get_object(self._location.bucket, whole)
            try:
                for chunk in response.stream(CHUNK, decode_content=False):
                    file.write(chunk)
                    advance(len(chunk))
            finally:
                response.close()
                response.release_conn()

    def write(self, key: str, file: Readable, size: int, content_type: str, sha256: str = "") -> None:
        """See Objects."""
        with self._explained(f"write {key!r}"):
            self._minio.put_object(
                self._location.bucket,
                self._location.prefix + key,
                cast("BinaryIO", file),
                size,
                content_type=content_type,
                metadata={SHA256: sha256} if sha256 else None,
            )

    def link(self, key: str, lifetime: timedelta) -> str:
        """See Objects."""
        with self._explained(f"sign a link to {key!r}"):
            whole = self._location.prefix + key
            expires = min(lifetime, LONGEST_LINK)
            return str(self._minio.presigned_get_object(self._location.bucket, whole, expires=expires))

    def report(self, key: str) -> Report:
        """See Objects."""
        import io

        import msgspec

        from imagejob_operator.documents.report import MAX_REPORT_BYTES, read_report

        data = io.BytesIO()

        def bounded(count: int) -> None:
            if data.tell() > MAX_REPORT_BYTES:
                raise StoreFailed(
                    f"the report {key!r} has more than {MAX_REPORT_BYTES} bytes: no operator wrote it"
                )

        self._read(self._location.staging + key, data, bounded)
        try:
            return read_report(data.getvalue())
        except msgspec.DecodeError as error:
            raise StoreFailed(f"{key!r} in {self.name} is not a report of this version: {error}") from None

    def stop(self) -> None:
        """See Objects."""
        self._http.stop()

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        from imagejob.store_failures import FAILURES, cause_of

        try:
            yield
        except FAILURES as error:
            cause = cause_of(error, self._location)
            raise StoreFailed(f"cannot {what} in {self.name}: {cause}") from None


def _encrypted(headers: Mapping[str, str]) -> bool:
    """Whether an object is encrypted in a way in which its ETag is no hash of its bytes."""
    by_kms = headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    return by_kms or "x-amz-server-side-encryption-customer-algorithm" in headers


def _client(found: FoundStore, pool: StorePool) -> Minio:
    from minio import Minio

    location, credentials = found.location, _credentials(found)
    try:
        made = Minio(
            location.endpoint,
            secure=location.secure,
            region=location.region,
            credentials=credentials,
            http_client=pool,
        )
    except ValueError as error:
        raise StoreFailed(f"cannot use {found.name}: {error}; check its address and AWS_REGION") from None
    if location.virtual_host:
        made.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    else:
        made.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return made


def _credentials(found: FoundStore) -> Provider:
    from minio.credentials.providers import (
        AWSConfigProvider,
        ChainedProvider,
        EnvAWSProvider,
        StaticProvider,
    )

    if found.keys:
        return StaticProvider(found.keys.access_key, found.keys.secret_key)
    chain = ChainedProvider([EnvAWSProvider(), AWSConfigProvider()])
    try:
        chain.retrieve()
    except configparser.Error:
        # Its message shows lines of the file.
        raise StoreFailed(
            "the file of AWS credentials (~/.aws/credentials, or AWS_SHARED_CREDENTIALS_FILE) cannot be "
            "read: it is no INI file, or a value has a '%'; correct it, or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        ) from None
    except (ValueError, OSError):
        raise StoreFailed(
            f"cannot use the bucket {found.location.bucket!r} of {found.name}: {NO_CREDENTIALS}"
        ) from None
    return chain


def _pool(transport: Transport, found: FoundStore) -> StorePool:
    from imagejob.store_pool import StorePool

    service = service_of(found.location)
    tls = _tls(found) if found.location.secure else None
    return StorePool(tls, CONNECTIONS, dialler(transport, service) if service else None)


def _tls(found: FoundStore) -> ssl.SSLContext:
    file = os.environ.get("AWS_CA_BUNDLE") or None
    bundle = found.location.ca_bundle or None
    try:
        return ssl.create_default_context(cafile=None if bundle else file, cadata=bundle)
    except (OSError, ValueError) as error:
        source = "the CA bundle of the store" if bundle else f"AWS_CA_BUNDLE={file}"
        raise StoreFailed(
            f"{source} cannot be used: {error}; it must have certificates in PEM format"
        ) from None
