"""The five requests of a Pod to the object store, by presigned URL.

A response becomes the bytes that were asked for, or one of a few errors: the item failed, the order expired,
the store is unavailable.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from urllib3.filepost import encode_multipart_formdata

from imagejob_contract.order import MAX_ORDER_BYTES, Upload, padded_length
from imagejob_contract.result import ItemCode
from imagejob_processor import limits
from imagejob_processor.errors import THE_ORDER, BadOrder, ItemFailure, OrderExpired, StoreUnavailable
from imagejob_processor.transport import CHUNK, BodyTooLarge, Response, RetryPolicy, Transport


class Store:
    """The object store. Safe to use from several threads.

    `ca_bundle` holds PEM certificates of the authorities to trust; the system's if empty.
    """

    def __init__(
        self, retry_policy: RetryPolicy | None = None, connections: int = 8, ca_bundle: str = ""
    ) -> None:
        self._transport = Transport(retry_policy, connections, ca_bundle)
        once = RetryPolicy(tries=1, first_tries=1)
        self._progress = Transport(once, connections=1, ca_bundle=ca_bundle)

    def get_order(self, url: str) -> bytes:
        """Fetch the order.

        Raises:
            OrderExpired: The URL has expired.
            BadOrder: The order is missing or too large.
            StoreUnavailable: No response in time.
        """
        try:
            response = self._transport.get(THE_ORDER, url, {}, MAX_ORDER_BYTES)
        except BodyTooLarge as error:
            text = f"{THE_ORDER} has at least {error} bytes, over the limit of {MAX_ORDER_BYTES}"
            raise BadOrder(f"{text}; lower spec.execution.itemsPerPod") from None
        if response.status == 200:
            return response.body
        if response.status == 403 or response.expired:
            raise OrderExpired(f"the presigned URL of {THE_ORDER} has expired: {response.describe()}")
        raise BadOrder(f"{THE_ORDER} could not be read: {response.describe()}")

    def get_source(self, url: str, etag: str, max_bytes: int) -> bytes:
        """Fetch a source of at most `max_bytes` bytes, on condition that it still has the ETag `etag`.

        Raises:
            ItemFailure: IMG_002 (too large), IMG_004 (changed), IMG_010 (deleted), IMG_011 (refused).
            OrderExpired: The URL has expired.
            StoreUnavailable: No response in time, or one that is not the item's fault.
        """
        headers = {"If-Match": etag if etag.startswith('"') else f'"{etag}"'} if etag else {}
        try:
            response = self._transport.get("a source", url, headers, max_bytes)
        except BodyTooLarge as error:
            raise limits.too_many_bytes(f"at least {error} bytes", max_bytes) from None
        if response.status == 200:
            return response.body
        if response.status == 412:
            message = f"the source was changed during the run: its ETag is no longer {etag}; start a new run"
            raise ItemFailure(ItemCode.SOURCE_CHANGED, message)
        if response.status == 404:
            message = f"the source was deleted during the run: {response.describe()}; start a new run"
            raise ItemFailure(ItemCode.SOURCE_MISSING, message)
        _raise_if_expired("a source", response)
        if response.refuses_object:
            message = f"the store refused the source: {response.describe()}{response.remedy}"
            raise ItemFailure(ItemCode.SOURCE_REFUSED, message)
        raise StoreUnavailable(f"a source could not be read: {response.describe()}")

    def post_output(self, upload: Upload, key: str, content_type: str, data: bytes) -> None:
        """Store an output under its key.

        Raises:
            ItemFailure: IMG_006: the store rejected this output.
            OrderExpired: The policy has expired.
            StoreUnavailable: No response in time, or the store has no space: no item is to blame.
        """
        name = key.rpartition("/")[2]
        send = self._put_padded if upload.signatures else self._post
        response = send(upload, name, content_type, data)
        _raise_if_expired("the outputs", response)
        if response.full:
            raise StoreUnavailable(f"the store has no space for output {name}: {response.describe()}")
        if response.status not in (200, 201, 204):
            message = f"the store rejected output {name}: {response.describe()}"
            raise ItemFailure(ItemCode.WRITE_FAILED, message)

    def _post(self, upload: Upload, name: str, content_type: str, data: bytes) -> Response:
        fields: list[tuple[str, str | tuple[str, bytes, str]]] = [*upload.fields.items()]
        fields += [("key", upload.key_prefix + name), ("Content-Type", content_type)]
        # S3 ignores fields after the file.
        fields.append(("file", (name, data, content_type)))
        body, form_type = encode_multipart_formdata(fields)
        headers = {"Content-Type": form_type}
        return self._transport.send(f"output {name}", "POST", upload.url, lambda: body, headers)

    def _put_padded(self, upload: Upload, name: str, content_type: str, data: bytes) -> Response:
        length = padded_length(len(data))
        headers = {"Content-Type": content_type, "Content-Length": str(length)}
        url = upload.put_url(name, length)
        return self._transport.send(f"output {name}", "PUT", url, partial(_padded, data, length), headers)

    def put_result(self, url: str, data: bytes) -> bool:
        """Store the result unless there is one; returns whether ours was stored.

        False may also mean that the store received an earlier try of ours: either way there is a result.

        Raises:
            OrderExpired: The URL has expired.
            StoreUnavailable: The result could not be stored.
        """
        headers = {"If-None-Match": "*", "Content-Type": "application/json"}
        response = self._transport.send("the result", "PUT", url, lambda: data, headers)
        if response.status == 501:  # a store without conditional writes
            del headers["If-None-Match"]
            response = self._transport.send("the result", "PUT", url, lambda: data, headers)
        _raise_if_expired("the result", response)
        if response.status == 412:
            return False
        if response.status not in (200, 201, 204):
            raise StoreUnavailable(f"the store rejected the result: {response.describe()}")
        return True

    def put_progress(self, url: str, data: bytes) -> None:
        """Store the progress, with one try; what the store answers does not matter.

        Raises:
            PodFailure: No response.
        """
        headers = {"Content-Type": "application/json"}
        self._progress.send("the progress", "PUT", url, lambda: data, headers)


def _padded(data: bytes, length: int) -> Iterator[bytes]:
    """An output, and zeros up to a length."""
    yield data
    for start in range(len(data), length, CHUNK):
        yield bytes(min(CHUNK, length - start))


def _raise_if_expired(what: str, response: Response) -> None:
    if response.expired:
        raise OrderExpired(f"the URL of {what} has expired: {response.describe()}")
