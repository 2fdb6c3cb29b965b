"""Requests that the minio client does not make: conditional writes, copies without tags, uploads of Pods.

Some stores answer 501 to a header. Where the request is right without it, it is sent again without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from xml.etree import ElementTree

import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.datatypes import parse_copy_object
from minio.deleteobjects import DeleteObject
from minio.error import S3Error
from minio.helpers import DictType, genheaders
from urllib3.filepost import encode_multipart_formdata

from imagejob_operator.adapters.s3 import headers as s3_headers
from imagejob_operator.adapters.s3.connections import BoundedPool
from imagejob_operator.adapters.s3.errors import MAX_TEXT, MISSING, call, of_code
from imagejob_operator.adapters.s3.signing import Signer
from imagejob_operator.adapters.s3.xml import InvalidAnswer, parse_xml
from imagejob_operator.api.errors import bounded
from imagejob_operator.naming.listed_keys import is_in_xml
from imagejob_operator.ports.object_store import (
    CallNotSupported,
    ObjectHeaders,
    StoreDenied,
    StoredObject,
    StoreError,
    StoreUnavailable,
)

MINUTES = timedelta(minutes=5)
CREDENTIALS = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "RequestTimeTooSkewed",
}
"""Codes that say nothing about what a store supports."""


class Requests:
    """Requests for the objects of one bucket."""

    def __init__(self, client: Minio, bucket: str, signer: Signer, pool: BoundedPool) -> None:
        self._client, self._bucket, self._signer, self._http = client, bucket, signer, pool
        self._conditions = True
        """Whether the store supports conditional writes, as far as is known."""
        self._tags = True
        """Whether the store supports tags, as far as is known."""

    def put_if(self, key: str, data: bytes, condition: tuple[str, str], content_type: str) -> str | None:
        """Write an object on a condition (a header); its ETag, or None if the condition is not met."""
        if self._conditions:
            headers = {condition[0]: condition[1], "Content-Type": content_type}
            response = self._put(key, data, headers)
            if response.status in (409, 412) or _code(response) == "NoSuchKey":
                return None
            if response.status != 501:
                return _etag(response, call(f"PutObject with {condition[0]}", key))
            self._conditions = False
        if not self._is_met(key, condition):
            return None
        return _etag(self._put(key, data, {"Content-Type": content_type}), call("PutObject", key))

    def _is_met(self, key: str, condition: tuple[str, str]) -> bool:
        """Check the condition of a write beforehand, for a store without conditional writes."""
        try:
            etag = f'"{self._client.stat_object(self._bucket, key).etag}"'
        except S3Error as error:
            if error.code not in MISSING:
                raise
            return condition[0] == "If-None-Match"
        return condition == ("If-Match", etag)

    def _put(self, key: str, data: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        url = self._signer.put(key, MINUTES)
        return self._http.request("PUT", url, body=data, headers=headers, retries=False)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects of a batch, see `delete_batches`."""
        if not is_in_xml(keys[0]):
            self._client.remove_object(self._bucket, keys[0])
            return
        objects: Iterator[DeleteObject] = (DeleteObject(key) for key in keys)
        # remove_objects is lazy: it deletes while its result is read.
        errors = list(self._client.remove_objects(self._bucket, objects))
        if errors:
            first = call("DeleteObjects", errors[0].name or "")
            raise StoreDenied(f"{len(errors)} objects cannot be deleted: {first}: {errors[0].code}")

    def copy(self, source: StoredObject, key: str, headers: ObjectHeaders | None) -> str:
        """Copy an object if it has its ETag; the ETag of the copy. Its tags are never copied.

        On AWS, a copy with tags needs the right to read them, which nothing else does.
        """
        metadata = s3_headers.header_lines(headers) if headers else None
        tags = s3_headers.object_tags(headers) if headers and headers.tags else None
        lines = CopySource(self._bucket, source.key, match_etag=source.etag).gen_copy_headers()
        if headers:
            lines["x-amz-metadata-directive"] = REPLACE
        if self._tags or tags:
            replaced = {**genheaders(metadata, None, tags, None, False), "x-amz-tagging-directive": REPLACE}
            try:
                return self._copy(source, key, {**lines, **replaced})
            except S3Error as error:
                # A store without tags has none to copy.
                refused = error.response.status == 501 or "x-amz-tagging" in (error.message or "")
                if tags and refused:
                    request = call("CopyObject with x-amz-tagging", source.key, key)
                    raise CallNotSupported(f"{bounded(str(error.message), MAX_TEXT)} ({request})") from error
                if not refused:
                    raise
                self._tags = False
        return self._copy(source, key, {**lines, **genheaders(metadata, None, None, None, False)})

    def _copy(self, source: StoredObject, key: str, lines: DictType) -> str:
        # `copy_object` of the client asks for the size of the source before each copy.
        response = self._client._execute("PUT", self._bucket, key, headers=lines)
        try:
            etag, _ = parse_copy_object(response)
        except ValueError as error:
            # S3 may answer 200 before it copies, and report the failure in the body.
            text = f"the store did not copy it completely ({call('CopyObject', source.key, key)})"
            raise StoreUnavailable(text) from error
        return etag

    def takes_forms(self, prefix: str) -> bool:
        """Try the two ways in which Pods upload; CallNotSupported if there is none."""
        request = call("POST Object", f"{prefix}form")
        response = self._post(f"{prefix}form", b"x")
        if response.status in (200, 201, 204):
            return True
        answer = _answer(response, request)
        if isinstance(answer, StoreUnavailable) or _code(response) in CREDENTIALS:
            raise answer
        self._check_lengths(prefix, answer)
        return False

    def _check_lengths(self, prefix: str, before: StoreError) -> None:
        """Check that the store takes a body of the length that is signed, and refuses another one."""
        request = call("PutObject with a signed Content-Length", f"{prefix}put")
        puts = self._signer.puts(prefix, ["put"], [1], MINUTES)
        send = partial(self._http.request, "PUT", puts.url_of("put"), retries=False)
        for body, accepted in ((b"x", True), (b"xx", False)):
            response = send(body=body)
            if (response.status < 300) is accepted:
                continue
            answer = _answer(response, request)
            if isinstance(answer, StoreUnavailable) or (
                accepted and not isinstance(answer, CallNotSupported)
            ):
                raise answer
            wrong = f"{answer}" if accepted else f"the store accepted another length ({request})"
            raise CallNotSupported(f"Pods cannot upload outputs: {before}; {wrong}")

    def _post(self, key: str, data: bytes) -> urllib3.BaseHTTPResponse:
        form = self._signer.post(key, len(data), MINUTES)
        fields: list[tuple[str, str | tuple[str, bytes, str]]] = [*form.fields.items()]
        fields += [("key", key), ("Content-Type", "image/x"), ("file", ("file", data, "image/x"))]
        body, form_type = encode_multipart_formdata(fields)
        headers = {"Content-Type": form_type}
        return self._http.request("POST", form.url, body=body, headers=headers, retries=False)


def delete_batches(keys: Sequence[str]) -> Iterator[list[str]]:
    """The keys of each request: those that XML can have in one, and each of the others by itself."""
    if together := [key for key in keys if is_in_xml(key)]:
        yield together
    for key in keys:
        if not is_in_xml(key):
            yield [key]


def _etag(response: urllib3.BaseHTTPResponse, request: str) -> str:
    if response.status >= 300:
        raise _answer(response, request)
    return (response.headers.get("ETag") or "").strip('"')


def _code(response: urllib3.BaseHTTPResponse) -> str:
    return _error(response)[0]


def _answer(response: urllib3.BaseHTTPResponse, request: str) -> StoreError:
    """The error that a refusal means."""
    code, message = _error(response)
    text = bounded(f"the store returned HTTP {response.status} {code}: {message}".rstrip(" :"), MAX_TEXT)
    return of_code(code, response.status, message)(f"{text} ({request})")


def _error(response: urllib3.BaseHTTPResponse) -> tuple[str, str]:
    """Code and message in the body of a response."""
    try:
        root: ElementTree.Element = parse_xml(response.data)
    except InvalidAnswer:
        return "", ""
    found = {element.tag.rpartition("}")[2]: element.text or "" for element in root}
    return found.get("Code", ""), found.get("Message", "")
