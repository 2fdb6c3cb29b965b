"""Server-side copies in a loop, as many at a time as the operator makes for one ImageJob."""

from __future__ import annotations

import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.helpers import DictType

from demo import stack
from demo.kubectl import Kubectl
from imagejob_operator.operations.concurrency import AT_ONCE


class Copies:
    """A client of the operator's bucket that copies objects."""

    def __init__(self, kubectl: Kubectl, address: str) -> None:
        settings = kubectl.get("configmap", stack.OPERATOR, "-n", stack.NAMESPACE)["data"]
        self._bucket = settings["IMAGEJOB_STORE_BUCKET"]
        pool = urllib3.PoolManager(maxsize=AT_ONCE)
        keys = stack.store_keys(kubectl)
        self._client = Minio(address, *keys, secure=False, region="us-east-1", http_client=pool)

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._client.put_object(self._bucket, key, io.BytesIO(data), len(data))

    def make(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Copy each object of the bucket to another key."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="copy") as threads:
            for _ in threads.map(self._copy, pairs):
                pass

    def _copy(self, pair: tuple[str, str]) -> None:
        source, key = pair
        # `copy_object` of the client asks for the size of the source before each copy.
        lines: DictType = dict(CopySource(self._bucket, source).gen_copy_headers())
        self._client._execute("PUT", self._bucket, key, headers=lines)
