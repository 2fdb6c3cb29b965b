"""The stores that the checks run on: the fake one, and real servers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import urllib3
from minio import Minio
from minio.error import S3Error

from fakes.clock import ManualClock
from fakes.memory_store import MemoryStore
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.ports.object_store import PostForm


class MovingClock(ManualClock):
    """Each look at it is a moment later, so that signatures end."""

    def __call__(self) -> datetime:
        self.advance(0.1)
        return super().__call__()


class MemoryBench:
    """The fake."""

    def __init__(self, kind: type[MemoryStore] = MemoryStore) -> None:
        self.store = kind(MovingClock())

    def visit(self, verb: str, url: str, data: bytes = b"", if_none_match: bool = False) -> tuple[int, bytes]:
        return self.store.visit(verb, url, data, if_none_match)

    def visit_form(self, form: PostForm, key: str, data: bytes, content_type: str) -> int:
        return self.store.visit_form(form, key, data, content_type)

    def headers(self, key: str) -> tuple[str, Mapping[str, str]]:
        headers = self.store.objects[key].headers
        lines = {
            "content-type": headers.content_type,
            "cache-control": headers.cache_control,
            "content-disposition": headers.content_disposition,
            **{f"x-amz-meta-{name}": value for name, value in headers.metadata.items()},
        }
        return headers.content_type, lines

    def tags(self, key: str) -> Mapping[str, str]:
        return self.store.objects[key].headers.tags


class ServerBench:
    """A real server."""

    def __init__(self, store: S3Store, client: Minio, bucket: str) -> None:
        self.store = store
        self._client, self._bucket = client, bucket
        self._http = urllib3.PoolManager(retries=False, timeout=15)

    def close(self) -> None:
        self.store.close()
        self._http.clear()

    def visit(self, verb: str, url: str, data: bytes = b"", if_none_match: bool = False) -> tuple[int, bytes]:
        headers = {"If-None-Match": "*"} if if_none_match else {}
        body = data if verb == "PUT" else None
        response = self._http.request(verb, url, body=body, headers=headers)
        return response.status, response.data

    def visit_form(self, form: PostForm, key: str, data: bytes, content_type: str) -> int:
        fields = [*form.fields.items(), ("key", key), ("Content-Type", content_type)]
        answer = self._http.request(
            "POST", form.url, fields=[*fields, ("file", ("file", data, content_type))]
        )
        return answer.status

    def headers(self, key: str) -> tuple[str, Mapping[str, str]]:
        answer = self._http.request("GET", self.store.sign_get(key, timedelta(minutes=1)))
        lower = {name.lower(): value for name, value in answer.headers.items()}
        return lower["content-type"], lower

    def tags(self, key: str) -> Mapping[str, str]:
        try:
            return dict(self._client.get_object_tags(self._bucket, key) or {})
        except S3Error as error:
            if error.code != "NotImplemented":
                raise
            return {}
