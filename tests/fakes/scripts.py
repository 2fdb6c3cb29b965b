"""Ways in which a processor Pod may go, for the memory cluster."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import replace

from fakes.memory_cluster import Scene, Script, Work
from fakes.memory_store import MemoryStore, key_of
from imagejob_contract.order import Order, Upload, output_name, padded_length
from imagejob_contract.output import CONTENT_TYPES
from imagejob_contract.result import (
    ItemCode,
    ItemError,
    ItemResult,
    OutputRecord,
    Progress,
    Result,
    Summary,
    encode_progress,
    encode_result,
)
from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.attempt import Problem, State
from imagejob_operator.ports.object_store import PostForm

GONE = {403: ItemCode.SOURCE_REFUSED, 404: ItemCode.SOURCE_MISSING, 412: ItemCode.SOURCE_CHANGED}
"""What an item fails with, by the store's answer to its source."""


def do_order(store: MemoryStore, order: Order, failing: Collection[str] = ()) -> Summary:
    """What a processor Pod does with its order; items whose source is in `failing` fail."""
    items: list[ItemResult] = []
    for item in order.items:
        if item.error:
            items.append(ItemResult(item.index, error=item.error))
            continue
        status, data = store.visit("GET", item.url, if_match=item.etag)
        if code := GONE.get(status):
            items.append(ItemResult(item.index, error=ItemError(code, "the source does not hold still")))
            continue
        if item.source in failing:
            items.append(ItemResult(item.index, error=ItemError(ItemCode.UNDECODABLE, "not an image")))
            continue
        records: list[OutputRecord] = []
        for rendition in order.renditions:
            output = data + rendition.name.encode()
            digest = hashlib.sha256(output).hexdigest()
            record = OutputRecord(rendition.name, len(output), 1, 1, digest)
            name = output_name(item.index, rendition.name)
            upload(store, order.upload, name, output, CONTENT_TYPES[rendition.output.format])
            records.append(record)
        items.append(ItemResult(item.index, tuple(records)))
    result = Result(1, order.shard, order.attempt, tuple(items))
    store.visit("PUT", order.result_url, encode_result(result), if_none_match=True)
    failed = sum(1 for item in items if item.error)
    return Summary(succeeded=len(items) - failed, failed=failed)


def upload(store: MemoryStore, to: Upload, name: str, output: bytes, content_type: str) -> None:
    """Store an output as a Pod does."""
    if to.signatures:
        length = padded_length(len(output))
        assert store.visit("PUT", to.put_url(name, length), output.ljust(length, b"\0"))[0] == 200
    else:
        form = PostForm(to.url, to.fields, to.key_prefix)
        assert store.visit_form(form, to.key_prefix + name, output, content_type) == 204


def well(start: float = 1, run: float = 2, failing: Collection[str] = ()) -> Script:
    """Every attempt runs and does its order."""

    def script(shard: int, number: int) -> Sequence[Scene]:
        def work(store: MemoryStore, order: Order) -> Summary:
            return do_order(store, order, failing)

        return (Scene(start, State.RUNNING), Scene(run, State.SUCCEEDED, work=work))

    return script


def reporting(*done: int, every: float = 5, start: float = 1, then: Sequence[Scene] | None = None) -> Script:
    """Every attempt reports so many items that are done, and then does its order, or what is given."""

    def script(shard: int, number: int) -> Sequence[Scene]:
        reports = [Scene(every, State.RUNNING, work=_report(count)) for count in done]
        end = then or (Scene(every, State.SUCCEEDED, work=do_order),)
        return (Scene(start, State.RUNNING), *reports, *end)

    return script


def _report(done: int) -> Work:
    def work(store: MemoryStore, order: Order) -> Summary:
        assert store.visit("PUT", order.progress_url, encode_progress(Progress(succeeded=done)))[0] == 200
        return Summary()

    return work


def badly(problem: Problem, run: float = 1, ran: bool = True) -> Script:
    """Every attempt fails, after it ran or without."""
    begun = (Scene(1, State.RUNNING),) if ran else ()
    return lambda shard, number: (*begun, Scene(run, State.FAILED, problem))


def never_running(problem: Problem | None, after: float = 1) -> Script:
    """No attempt gets running; after a while it says why."""
    return lambda shard, number: (Scene(after, State.WAITING, problem),)


def lingering(script: Script) -> Script:
    """Every attempt ends as in the script, and a sidecar keeps its Pod."""
    return lambda shard, number: [
        replace(scene, lingers=scene.state in (State.SUCCEEDED, State.FAILED))
        for scene in script(shard, number)
    ]


def in_turn(*scripts: Script) -> Script:
    """The first attempt at a shard goes by the first script, and so on; the last one stays."""
    return lambda shard, number: scripts[min(number, len(scripts)) - 1](shard, number)


def by_shard(scripts: dict[int, Script], otherwise: Script) -> Script:
    return lambda shard, number: scripts.get(shard, otherwise)(shard, number)


def without_result(store: MemoryStore, order: Order) -> Summary:
    """Say that all went well and store nothing."""
    return Summary(succeeded=len(order.items))


def with_garbage(store: MemoryStore, order: Order) -> Summary:
    """Store a result that is none."""
    store.set(key_of(order.result_url), b"not a result")
    return Summary(succeeded=len(order.items))


CRASHED = Problem(Reason.CRASHED, "ended with exit code 70")
NEVER_RAN = Problem(Reason.CONFIG_ERROR, "the container cannot be started")
DISRUPTED = Problem(Reason.NODE_LOST, "was disrupted: drained", counted=False)
