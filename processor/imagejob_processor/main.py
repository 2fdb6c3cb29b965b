"""Main: one Pod, from the order's URL to the exit code.

    order  ->  items  ->  result  ->  termination message

Whatever happens, the message says in one line why the Pod ended; the exit code tells the operator whether
to launch the shard again. SIGTERM is a disruption: it ends the Pod at once and without a result.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence

import msgspec

from imagejob_contract import pod_memory
from imagejob_contract.order import (
    ENGINE_VARIABLE,
    MAX_WATERMARK_IMAGE_BYTES,
    ORDER_URL_VARIABLE,
    STORE_CA_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    EngineName,
    Order,
)
from imagejob_contract.result import MAX_RESULT_BYTES, ExitCode, ItemResult, Result, Summary
from imagejob_contract.source_format import UnknownEnding, for_source
from imagejob_processor import machine
from imagejob_processor.child_process.protocol import Setup
from imagejob_processor.child_process.supervisor import Worker
from imagejob_processor.errors import BadOrder, ItemFailure, PodFailure, describe, message_of
from imagejob_processor.logs import LOGGER, set_up
from imagejob_processor.shard import Finished, Shard
from imagejob_processor.storage import Store

TERMINATION_LOG = "/dev/termination-log"


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the Pod's program; gives its exit code."""
    set_up()
    try:
        summary = run(environment)
    except PodFailure as failure:
        LOGGER.error("no result", extra={"cause": str(failure), "exitCode": int(failure.exit_code)})
        _leave(Summary(error=str(failure)), environment)
        return failure.exit_code
    except SystemExit as stop:
        LOGGER.warning("stopped by a signal, no result")
        _leave(Summary(error="stopped by a signal"), environment)
        return stop.code if isinstance(stop.code, int) else ExitCode.INTERNAL
    except Exception as error:  # noqa: BLE001 - the edge: logged with its traceback, and told
        LOGGER.exception("internal error")
        _leave(Summary(error=message_of(f"internal error: {describe(error)}")), environment)
        return ExitCode.INTERNAL
    _leave(summary, environment)
    return ExitCode.DONE


def run(environment: Mapping[str, str], store: Store | None = None) -> Summary:
    """Do the order and store its result.

    Raises:
        PodFailure: There is no result, and why.
    """
    url = environment.get(ORDER_URL_VARIABLE, "")
    if not url:
        raise BadOrder(f"{ORDER_URL_VARIABLE} is not set")
    store = store or _store(environment)
    with contextlib.ExitStack() as closing:
        # The first process loads its libraries while the order is fetched.
        workers = [closing.enter_context(contextlib.closing(Worker()))]
        order = read_order(store.get_order(url))
        watermark_images = _marks(order, store)
        engine = _engine(environment)
        setup, count = _setup(order, watermark_images, engine, machine.cpus(), machine.memory_limit())
        workers += [closing.enter_context(contextlib.closing(Worker())) for _ in range(count - 1)]
        for worker in workers:
            worker.configure(setup)
        results = _process(order, store, workers)
    _store_result(order, store, results)
    failed = sum(result.error is not None for result in results)
    return Summary(succeeded=len(results) - failed, failed=failed)


def _store(environment: Mapping[str, str]) -> Store:
    try:
        return Store(ca_bundle=environment.get(STORE_CA_VARIABLE, ""))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise BadOrder(f"{STORE_CA_VARIABLE} holds no certificate: {error}") from error


def read_order(content: bytes) -> Order:
    """Read an order; nothing unknown in it is passed over.

    Raises:
        BadOrder: It is not one that this version understands, or it contradicts itself.
    """
    try:
        order = msgspec.json.decode(content, type=Order)
    except msgspec.DecodeError as error:
        raise BadOrder(f"the order is not understood: {error}") from error
    if not order.renditions:
        raise BadOrder("the order has no renditions")
    if len({rendition.name for rendition in order.renditions}) < len(order.renditions):
        raise BadOrder("the order has two renditions of one name")
    if len({item.index for item in order.items}) < len(order.items):
        raise BadOrder("the order has two items of one index")
    try:
        for item in order.items:
            for rendition in order.renditions:
                for_source(rendition, item.source)
    except UnknownEnding as error:
        raise BadOrder(f"the order cannot be done: {error}") from error
    return order


def _engine(environment: Mapping[str, str]) -> EngineName:
    """Read what the administrator chose.

    Raises:
        BadOrder: There is no such engine.
    """
    name = environment.get(ENGINE_VARIABLE) or EngineName.SIMD
    if name not in list(EngineName):
        raise BadOrder(f"{ENGINE_VARIABLE} is {name!r}: it must be one of {', '.join(EngineName)}")
    return EngineName(name)


def _marks(order: Order, store: Store) -> dict[str, bytes]:
    """Fetch the images that watermarks are made of.

    Raises:
        BadOrder: One is not as it was staged.
    """
    try:
        return {
            mark.key: store.get_source(mark.url, mark.etag, MAX_WATERMARK_IMAGE_BYTES)
            for mark in order.watermark_images
        }
    except ItemFailure as failure:
        raise BadOrder(f"an image of a watermark cannot be had: {failure}") from failure


def _setup(
    order: Order, watermark_images: dict[str, bytes], engine: EngineName, cpus: int, memory_limit: int | None
) -> tuple[Setup, int]:
    """Decide how many decoding processes there are, and how much memory each of them gets."""
    need = pod_memory.memory_bytes(order.renditions, order.limits)
    wanted = min(cpus, max(1, len(order.items)))
    count = pod_memory.fitting_workers(wanted, need, order.limits, memory_limit)
    allowed = pod_memory.allowed_bytes(need, order.limits, count, memory_limit)
    return Setup(
        order.renditions, order.limits, allowed, order.upload.max_bytes, engine, watermark_images
    ), count


def _process(order: Order, store: Store, workers: Sequence[Worker]) -> tuple[ItemResult, ...]:
    """Do all items, with a line in the log for each."""
    about = {"job": order.job, "run": order.run, "shard": order.shard, "attempt": order.attempt}
    asked = {"items": len(order.items), "renditions": len(order.renditions), "workers": len(workers)}
    LOGGER.info("order read", extra={**about, **asked})
    started = time.monotonic()
    shard = Shard(order, store, workers)
    results = []
    try:
        for finished in shard.results():
            results.append(finished.result)
            _log_item(finished)
    finally:
        shard.close()
    seconds = round(time.monotonic() - started, 3)
    found = {"engine": workers[0].engine, "straight": workers[0].straight}
    LOGGER.info("items done", extra={**about, "items": len(results), "seconds": seconds, **found})
    return tuple(results)


def _log_item(finished: Finished) -> None:
    result = finished.result
    about: dict[str, object] = {"item": result.index, "source": finished.item.source}
    if result.error is None:
        LOGGER.info("item done", extra={**about, "bytes": sum(output.bytes for output in result.outputs)})
        return
    if finished.words:
        about["decoder"] = finished.words
    LOGGER.warning("item failed", extra={**about, "code": result.error.code, "cause": result.error.message})


def _store_result(order: Order, store: Store, results: tuple[ItemResult, ...]) -> None:
    result = Result(version=1, shard=order.shard, attempt=order.attempt, items=results)
    content = msgspec.json.encode(result)
    if len(content) > MAX_RESULT_BYTES:
        raise BadOrder(f"the result has {len(content)} bytes, over {MAX_RESULT_BYTES}: too many items")
    if store.put_result(order.result_url, content):
        LOGGER.info("result stored", extra={"bytes": len(content)})
    else:
        LOGGER.info("another attempt stored its result first", extra={"shard": order.shard})


def _leave(summary: Summary, environment: Mapping[str, str]) -> None:
    """Write the termination message; a place that is not there is no failure.

    The default file is never created: it is the kubelet that puts it there.
    """
    override = environment.get(TERMINATION_LOG_VARIABLE)
    flags = os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if override else 0)
    with (
        contextlib.suppress(OSError),
        open(override or TERMINATION_LOG, "wb", opener=lambda path, _: os.open(path, flags, 0o644)) as file,
    ):
        file.write(msgspec.json.encode(summary))
