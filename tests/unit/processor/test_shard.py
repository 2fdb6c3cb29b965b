"""Shards: several items at once, in order and bounded."""

import threading

import msgspec
import pytest

from imagejob_contract.order import Order, OrderItem, Upload
from imagejob_contract.output import Format
from imagejob_contract.result import ItemCode, ItemError
from imagejob_processor.child_process.supervisor import RenderedImage
from imagejob_processor.errors import ItemFailure, StoreUnavailable
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.shard import Shard
from unit.processor.images import LIMITS, rendition


class Store:
    """A store whose sources contain their index."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.stored: dict[str, bytes] = {}
        self.types: dict[str, str] = {}

    def get_source(self, url: str, etag: str, max_bytes: int) -> bytes:
        self.fetched.append(url)
        if url == "gone":
            raise ItemFailure(ItemCode.SOURCE_MISSING, "gone")
        if url == "down":
            raise StoreUnavailable("down")
        return url.encode()

    def post_output(self, upload: Upload, key: str, content_type: str, data: bytes) -> None:
        if data == b"refused":
            raise ItemFailure(ItemCode.WRITE_FAILED, "refused")
        self.stored[key.removeprefix(upload.key_prefix)] = data
        self.types[key] = content_type


class Decoder:
    """A decoder that waits for a gate and counts how many run at once."""

    together = 0
    most = 0
    lock = threading.Lock()

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.stderr_tail = ""
        self.gate = gate

    def process(self, source: bytes, name: str) -> RenderedImage:
        kind = type(self)
        with kind.lock:
            kind.together += 1
            kind.most = max(kind.most, kind.together)
        if self.gate is not None and source == b"0":
            assert self.gate.wait(10)
        with kind.lock:
            kind.together -= 1
        self.stderr_tail = f"did {source.decode()}"
        notes = (f"noted {source.decode()}",)
        return RenderedImage((EncodedRendition("out", 1, 1, source),), None, notes)


def order(*urls: str) -> Order:
    return Order(
        version=1,
        job="a/b",
        run=1,
        shard=0,
        attempt=1,
        items=tuple(OrderItem(n, f"s{n}", url, "e") for n, url in enumerate(urls)),
        renditions=(rendition(),),
        limits=LIMITS,
        upload=Upload("u", "p/", {}, 100),
        result_url="r",
        progress_url="p",
    )


@pytest.fixture
def shard_of():
    made = []

    def shard_of(order, store, decoders):
        made.append(Shard(order, store, decoders))
        return made[-1]

    yield shard_of
    for shard in made:
        shard.close()


def test_results_come_in_order_though_the_first_is_slow(shard_of):
    gate = threading.Event()
    store = Store()
    shard = shard_of(order(*map(str, range(20))), store, [Decoder(gate) for _ in range(3)])
    threading.Timer(0.1, gate.set).start()
    finished = list(shard.results())
    assert [each.result.index for each in finished] == list(range(20))
    assert [each.stderr_tail for each in finished] == [f"did {n}" for n in range(20)]
    assert store.stored == {f"{n:06d}-out": str(n).encode() for n in range(20)}


def test_an_output_in_the_format_of_its_source_is_stored_as_that(shard_of):
    wanted = msgspec.structs.replace(order("0", "1"), renditions=(rendition(form=Format.SAME),))
    named = [
        msgspec.structs.replace(item, source=name)
        for item, name in zip(wanted.items, ("a.JPEG", "b.avif"), strict=True)
    ]
    store = Store()
    list(shard_of(msgspec.structs.replace(wanted, items=tuple(named)), store, [Decoder()]).results())
    assert store.types == {"p/000000-out": "image/jpeg", "p/000001-out": "image/avif"}


def test_no_more_is_fetched_than_the_bound(shard_of):
    gate = threading.Event()
    store = Store()
    shard = shard_of(order(*map(str, range(20))), store, [Decoder(gate) for _ in range(2)])
    threading.Timer(0.3, gate.set).start()
    first = next(shard.results())
    assert first.result.index == 0
    assert len(store.fetched) <= 2 * 2 + 1


def test_each_process_has_one_item_at_a_time(shard_of):
    Decoder.most = 0
    list(shard_of(order(*map(str, range(12))), Store(), [Decoder(), Decoder()]).results())
    assert Decoder.most <= 2


def test_a_failed_item_costs_itself_only(shard_of):
    shard = shard_of(order("0", "gone", "refused", "3"), Store(), [Decoder(), Decoder()])
    codes = [each.result.error and each.result.error.code for each in shard.results()]
    assert codes == [None, ItemCode.SOURCE_MISSING, ItemCode.WRITE_FAILED, None]


def test_a_source_that_could_not_be_staged_is_reported_and_not_read(shard_of):
    given = order("0", "", "2")
    error = ItemError(ItemCode.SOURCE_MISSING, "there is no object")
    unstaged = msgspec.structs.replace(given.items[1], error=error)
    given = msgspec.structs.replace(given, items=(given.items[0], unstaged, given.items[2]))
    store = Store()
    results = [each.result for each in shard_of(given, store, [Decoder()]).results()]
    assert [result.error for result in results] == [None, error, None]
    assert sorted(store.fetched) == ["0", "2"]


def test_what_ends_the_pod_comes_through(shard_of):
    with pytest.raises(StoreUnavailable):
        list(shard_of(order("0", "down", "2"), Store(), [Decoder(), Decoder()]).results())


def test_notes_are_those_of_items_that_succeed(shard_of):
    finished = list(shard_of(order("0", "refused"), Store(), [Decoder()]).results())
    assert [each.result.notes for each in finished] == [("noted 0",), ()]


def test_sources_are_recorded_and_time_is_measured(shard_of):
    (done,) = shard_of(order("refused"), Store(), [Decoder()]).results()
    assert done.result.source is not None
    assert done.result.source.bytes == 7
    assert done.result.outputs == ()
    assert done.result.timings.fetch >= 0
