"""Shard: all items of an order, several at once, with the network beside the decoding.

Each decoding process has one item. Meanwhile the next sources are being fetched and the outputs of items
before are being stored: at most two items more for each process, so that memory has a bound.
"""

from __future__ import annotations

import hashlib
import queue
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from imagejob_contract.order import Order, OrderItem, Upload, output_name
from imagejob_contract.output import CONTENT_TYPES
from imagejob_contract.result import ImageFacts, ItemResult, OutputRecord, SourceRecord, Timings
from imagejob_contract.source_format import for_source
from imagejob_processor.child_process.protocol import Picture
from imagejob_processor.child_process.supervisor import Made
from imagejob_processor.errors import ItemFailure

_UPLOADS = 4


class Sources(Protocol):
    """Where sources come from and outputs go; see `storage.Store`."""

    def get_source(self, url: str, etag: str, most: int) -> bytes:
        """Fetch one source."""

    def post_output(self, upload: Upload, key: str, content_type: str, data: bytes) -> None:
        """Store one output."""


class Decoder(Protocol):
    """What makes pictures; see `worker.Worker`."""

    last_words: str

    def process(self, source: bytes, name: str) -> Made:
        """Make all renditions of one item."""


@dataclass(frozen=True)
class Finished:
    """One item at its end: its result, and the last that its decoding process printed."""

    item: OrderItem
    result: ItemResult
    words: str


@dataclass(frozen=True)
class _Fetched:
    """A source that has arrived."""

    data: bytes
    record: SourceRecord
    seconds: float


@dataclass
class _UnderWay:
    """An item whose outputs are being stored, or which failed before there were any."""

    item: OrderItem
    source: SourceRecord | None = None
    facts: ImageFacts | None = None
    outputs: tuple[Future[OutputRecord], ...] = ()
    failure: ItemFailure | None = None
    words: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """Of each part of the work, by the names of `Timings`."""

    def finished(self) -> Finished:
        """Wait for the outputs; one that fails costs the item, and the others do not count then."""
        outputs: tuple[OutputRecord, ...] = ()
        failure = self.failure
        try:
            outputs = tuple(output.result() for output in self.outputs)
        except ItemFailure as refused:
            failure = refused
        error = failure.as_error() if failure else None
        timings = Timings(**{part: round(seconds * 1000) for part, seconds in self.seconds.items()})
        result = ItemResult(
            self.item.index,
            outputs=() if error else outputs,
            error=error,
            source=self.source,
            image=self.facts,
            timings=timings,
        )
        return Finished(self.item, result, self.words)


class Shard:
    """The work of one Pod.

    `results` may be left at any moment, by an exception out of a signal handler too; `close` then leaves
    requests that are under way to themselves.
    """

    def __init__(self, order: Order, store: Sources, decoders: Sequence[Decoder]) -> None:
        self._order = order
        self._store = store
        self._renditions = {rendition.name: rendition for rendition in order.renditions}
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for decoder in decoders:
            self._idle.put(decoder)
        self._count = len(decoders)
        self._fetcher = ThreadPoolExecutor(self._count, thread_name_prefix="fetch")
        self._decoders = ThreadPoolExecutor(self._count, thread_name_prefix="decode")
        self._uploader = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")

    def results(self) -> Iterator[Finished]:
        """Do all items; gives what became of each, in the order's sequence.

        Raises:
            PodFailure: The rest cannot be done.
        """
        ahead: deque[Future[_UnderWay]] = deque()
        for item in self._order.items:
            source = self._fetcher.submit(self._fetch, item)
            ahead.append(self._decoders.submit(self._decode, item, source))
            if len(ahead) > 2 * self._count:
                yield ahead.popleft().result().finished()
        while ahead:
            yield ahead.popleft().result().finished()

    def close(self) -> None:
        """Start nothing more and wait for nothing."""
        for pool in (self._fetcher, self._decoders, self._uploader):
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, item: OrderItem) -> _Fetched:
        started = time.monotonic()
        data = self._store.get_source(item.url, item.etag, self._order.limits.item_bytes)
        record = SourceRecord(len(data), hashlib.sha256(data).hexdigest())
        return _Fetched(data, record, time.monotonic() - started)

    def _decode(self, item: OrderItem, source: Future[_Fetched]) -> _UnderWay:
        """Make the pictures of an item as soon as it is there, and begin to store them."""
        under_way = _UnderWay(item)
        try:
            fetched = source.result()
            under_way.source, under_way.seconds["fetch"] = fetched.record, fetched.seconds
            made = self._make(item.source, fetched.data, under_way)
        except ItemFailure as failure:
            under_way.failure = failure
            return under_way
        under_way.facts = made.facts
        under_way.outputs = tuple(
            self._uploader.submit(self._store_one, under_way, picture) for picture in made.pictures
        )
        return under_way

    def _make(self, name: str, data: bytes, under_way: _UnderWay) -> Made:
        decoder = self._idle.get()
        started = time.monotonic()
        try:
            return decoder.process(data, name)
        finally:
            under_way.seconds["process"] = time.monotonic() - started
            under_way.words = decoder.last_words
            self._idle.put(decoder)

    def _store_one(self, under_way: _UnderWay, picture: Picture) -> OutputRecord:
        started = time.monotonic()
        item, upload = under_way.item, self._order.upload
        output = for_source(self._renditions[picture.rendition], item.source).output
        digest = hashlib.sha256(picture.data).hexdigest()
        record = OutputRecord(picture.rendition, len(picture.data), picture.width, picture.height, digest)
        key = upload.key_prefix + output_name(item.index, picture.rendition)
        self._store.post_output(upload, key, CONTENT_TYPES[output.format], picture.data)
        # Outputs are stored beside each other: the time of the slowest is that of the item, nearly.
        under_way.seconds["store"] = max(under_way.seconds.get("store", 0.0), time.monotonic() - started)
        return record
