"""Shard: all items of an order, one after the other, with the network beside the decoding.

While an item is in the decoding child, the next source is being fetched and the outputs of the one before
are being stored; never more, so that memory has a bound.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from imagejob_processor.channel import Picture
from imagejob_processor.contract import (
    CONTENT_TYPES,
    ItemResult,
    Order,
    OrderItem,
    OutputRecord,
    Upload,
    output_name,
)
from imagejob_processor.failure import ItemFailure

_UPLOADS = 4


class Sources(Protocol):
    """Where sources come from and outputs go; see `storage.Store`."""

    def get_source(self, url: str, etag: str, most: int) -> bytes:
        """Fetch one source."""

    def post_output(self, upload: Upload, name: str, content_type: str, data: bytes) -> None:
        """Store one output."""


class Decoder(Protocol):
    """What makes pictures; see `worker.Worker`."""

    def process(self, source: bytes) -> list[Picture]:
        """Make all renditions of one item."""


@dataclass(frozen=True)
class _UnderWay:
    """An item whose outputs are being stored, or which failed before there were any."""

    item: OrderItem
    outputs: tuple[Future[OutputRecord], ...] = ()
    failure: ItemFailure | None = None

    def result(self) -> ItemResult:
        """Wait for the outputs; one that fails costs the item, and the others do not count then."""
        try:
            if self.failure is not None:
                raise self.failure
            return ItemResult(self.item.index, outputs=tuple(output.result() for output in self.outputs))
        except ItemFailure as failure:
            return ItemResult(self.item.index, error=failure.as_error())


class Shard:
    """The work of one Pod.

    `results` may be left at any moment, by an exception out of a signal handler too; `close` then leaves
    requests that are under way to themselves.
    """

    def __init__(self, order: Order, store: Sources, decoder: Decoder) -> None:
        self._order = order
        self._store = store
        self._decoder = decoder
        self._outputs = {rendition.name: rendition.output for rendition in order.renditions}
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._uploader = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")

    def results(self) -> Iterator[ItemResult]:
        """Do all items; gives what became of each, in the order's sequence.

        Raises:
            PodFailure: The rest cannot be done.
        """
        before: _UnderWay | None = None
        for item, source in self._sources():
            now = self._decode(item, source)
            if before is not None:
                yield before.result()
            before = now if isinstance(now, _UnderWay) else self._upload(item, now)
        if before is not None:
            yield before.result()

    def close(self) -> None:
        """Start nothing more and wait for nothing."""
        self._fetcher.shutdown(wait=False, cancel_futures=True)
        self._uploader.shutdown(wait=False, cancel_futures=True)

    def _sources(self) -> Iterator[tuple[OrderItem, Future[bytes]]]:
        """Give each item with its source on the way, and that of the next one already asked for."""
        ahead: deque[tuple[OrderItem, Future[bytes]]] = deque()
        for item in self._order.items:
            most = self._order.limits.item_bytes
            ahead.append((item, self._fetcher.submit(self._store.get_source, item.url, item.etag, most)))
            if len(ahead) == 2:
                yield ahead.popleft()
        yield from ahead

    def _decode(self, item: OrderItem, source: Future[bytes]) -> list[Picture] | _UnderWay:
        try:
            return self._decoder.process(source.result())
        except ItemFailure as failure:
            return _UnderWay(item, failure=failure)

    def _upload(self, item: OrderItem, pictures: list[Picture]) -> _UnderWay:
        return _UnderWay(
            item, tuple(self._uploader.submit(self._store_one, item, picture) for picture in pictures)
        )

    def _store_one(self, item: OrderItem, picture: Picture) -> OutputRecord:
        output = self._outputs[picture.rendition]
        name = output_name(item.index, picture.rendition)
        self._store.post_output(self._order.upload, name, CONTENT_TYPES[output.format], picture.data)
        digest = hashlib.sha256(picture.data).hexdigest()
        return OutputRecord(picture.rendition, len(picture.data), picture.width, picture.height, digest)
