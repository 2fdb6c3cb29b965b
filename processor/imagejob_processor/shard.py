"""The items of an order, several at once, with requests to the store beside the decoding.

Each decoder has one item. Meanwhile the next sources are fetched and earlier outputs are stored: at most two
more items for each decoder, which bounds the memory.
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
from imagejob_contract.result import ImageFacts, ItemResult, Notes, OutputRecord, SourceRecord, Timings, Work
from imagejob_contract.source_format import for_source
from imagejob_processor.child_process.supervisor import RenderedImage
from imagejob_processor.errors import ItemFailure
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.spans import Spans

_UPLOADS = 4


class ObjectStore(Protocol):
    """Requests for sources and outputs; see `storage.Store`."""

    def get_source(self, url: str, etag: str, max_bytes: int) -> bytes:
        """Fetch one source."""

    def post_output(self, upload: Upload, key: str, content_type: str, data: bytes) -> None:
        """Store one output."""


class Decoder(Protocol):
    """Makes renditions; see `supervisor.Supervisor`."""

    stderr_tail: str

    def process(self, source: bytes, name: str) -> RenderedImage:
        """Make all renditions of one item."""


@dataclass(frozen=True)
class FinishedItem:
    """The result of one item, and the end of what its decoder printed."""

    item: OrderItem
    result: ItemResult
    stderr_tail: str


@dataclass(frozen=True)
class _FetchedSource:
    data: bytes
    record: SourceRecord
    seconds: float


@dataclass
class _ItemInProgress:
    """An item whose outputs are being stored, or which has failed."""

    item: OrderItem
    source: SourceRecord | None = None
    facts: ImageFacts | None = None
    notes: Notes = ()
    outputs: tuple[Future[OutputRecord], ...] = ()
    failure: ItemFailure | None = None
    stderr_tail: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    """By the names of `Timings`."""

    def finish(self) -> FinishedItem:
        """Wait for the outputs; if one fails, the item has none."""
        outputs: tuple[OutputRecord, ...] = ()
        failure = self.failure
        try:
            outputs = tuple(output.result() for output in self.outputs)
        except ItemFailure as output_failure:
            failure = output_failure
        error = failure.as_error() if failure else None
        timings = Timings(**{part: round(seconds * 1000) for part, seconds in self.seconds.items()})
        result = ItemResult(
            self.item.index,
            outputs=() if error else outputs,
            error=error,
            source=self.source,
            image=self.facts,
            timings=timings,
            notes=() if error else self.notes,
        )
        return FinishedItem(self.item, result, self.stderr_tail)


class Shard:
    """The work of one Pod.

    An exception, also one from a signal handler, may interrupt `results` at any time; call `close` then.
    """

    def __init__(
        self, order: Order, store: ObjectStore, decoders: Sequence[Decoder], spans: Spans | None = None
    ) -> None:
        self._order = order
        self._store = store
        self._spans = spans or Spans()
        self._renditions = {rendition.name: rendition for rendition in order.renditions}
        self._idle: queue.SimpleQueue[Decoder] = queue.SimpleQueue()
        for decoder in decoders:
            self._idle.put(decoder)
        self._count = len(decoders)
        self._fetchers = ThreadPoolExecutor(self._count, thread_name_prefix="fetch")
        self._decoders = ThreadPoolExecutor(self._count, thread_name_prefix="decode")
        self._uploaders = ThreadPoolExecutor(_UPLOADS, thread_name_prefix="upload")

    def results(self) -> Iterator[FinishedItem]:
        """Process all items; yields them in the order's sequence.

        Raises:
            PodFailure: The remaining items cannot be processed.
        """
        in_progress: deque[Future[_ItemInProgress]] = deque()
        for item in self._order.items:
            source = self._fetchers.submit(self._fetch, item)
            in_progress.append(self._decoders.submit(self._process, item, source))
            if len(in_progress) > 2 * self._count:
                yield in_progress.popleft().result().finish()
        while in_progress:
            yield in_progress.popleft().result().finish()

    def close(self) -> None:
        """Start no further work, and do not wait for requests in progress."""
        for pool in (self._fetchers, self._decoders, self._uploaders):
            pool.shutdown(wait=False, cancel_futures=True)

    def _fetch(self, item: OrderItem) -> _FetchedSource:
        if item.error:
            raise ItemFailure(item.error.code, item.error.message)
        started = time.monotonic()
        data = self._store.get_source(item.url, item.etag, self._order.limits.item_bytes)
        record = SourceRecord(len(data), hashlib.sha256(data).hexdigest())
        return _FetchedSource(data, record, self._spans.add(Work.FETCH, started, time.monotonic()))

    def _process(self, item: OrderItem, source: Future[_FetchedSource]) -> _ItemInProgress:
        """Make the renditions of an item as soon as its source is here, and start to store them."""
        progress = _ItemInProgress(item)
        try:
            fetched = source.result()
            progress.source, progress.seconds["fetch"] = fetched.record, fetched.seconds
            made = self._render(item.source, fetched.data, progress)
        except ItemFailure as failure:
            progress.failure = failure
            return progress
        progress.facts, progress.notes = made.facts, made.notes
        progress.outputs = tuple(
            self._uploaders.submit(self._store_output, progress, rendition) for rendition in made.renditions
        )
        return progress

    def _render(self, name: str, data: bytes, progress: _ItemInProgress) -> RenderedImage:
        decoder = self._idle.get()
        started = time.monotonic()
        try:
            return decoder.process(data, name)
        finally:
            progress.seconds["process"] = self._spans.add(Work.PROCESS, started, time.monotonic())
            progress.stderr_tail = decoder.stderr_tail
            self._idle.put(decoder)

    def _store_output(self, progress: _ItemInProgress, made: EncodedRendition) -> OutputRecord:
        started = time.monotonic()
        item, upload = progress.item, self._order.upload
        output = for_source(self._renditions[made.rendition], item.source).output
        digest = hashlib.sha256(made.data).hexdigest()
        record = OutputRecord(made.rendition, len(made.data), made.width, made.height, digest)
        key = upload.key_prefix + output_name(item.index, made.rendition)
        self._store.post_output(upload, key, CONTENT_TYPES[output.format], made.data)
        # Outputs are stored in parallel, so the slowest one is the time of the item.
        seconds = self._spans.add(Work.STORE, started, time.monotonic())
        progress.seconds["store"] = max(progress.seconds.get("store", 0.0), seconds)
        return record
