"""Main: one Pod, from the order's URL to the exit code.

    order  ->  items  ->  result  ->  termination message

Whatever happens, the message says in one line why the Pod ended; the exit code tells the operator whether
to launch the shard again. SIGTERM is a disruption: it ends the Pod at once and without a result.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping

import msgspec

from imagejob_processor import limits
from imagejob_processor.channel import Setup
from imagejob_processor.contract import (
    MAX_RESULT_BYTES,
    ORDER_URL_VARIABLE,
    STORE_TRUST_VARIABLE,
    TERMINATION_LOG_VARIABLE,
    ExitCode,
    ItemResult,
    Order,
    Result,
    Summary,
)
from imagejob_processor.failure import BadOrder, PodFailure, describe, message_of
from imagejob_processor.logs import LOGGER, set_up
from imagejob_processor.shard import Shard
from imagejob_processor.storage import Store
from imagejob_processor.worker import Worker

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
    with contextlib.closing(Worker()) as worker:
        order = read_order(store.get_order(url))
        worker.configure(_setup(order))
        results = _process(order, store, worker)
    _store_result(order, store, results)
    failed = sum(result.error is not None for result in results)
    return Summary(succeeded=len(results) - failed, failed=failed)


def _store(environment: Mapping[str, str]) -> Store:
    try:
        return Store(trust=environment.get(STORE_TRUST_VARIABLE, ""))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise BadOrder(f"{STORE_TRUST_VARIABLE} holds no certificate: {error}") from error


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
    return order


def _setup(order: Order) -> Setup:
    memory = limits.allowed_bytes(order.renditions, order.limits, limits.pod_memory_bytes())
    return Setup(order.renditions, order.limits, memory, order.upload.max_bytes)


def _process(order: Order, store: Store, worker: Worker) -> tuple[ItemResult, ...]:
    """Do all items, with a line in the log for each."""
    about = {"job": order.job, "run": order.run, "shard": order.shard, "attempt": order.attempt}
    LOGGER.info("order read", extra={**about, "items": len(order.items), "renditions": len(order.renditions)})
    started = time.monotonic()
    shard = Shard(order, store, worker)
    results = []
    try:
        for item, result in zip(order.items, shard.results(), strict=True):
            results.append(result)
            _log_item(item.source, result, worker)
    finally:
        shard.close()
    seconds = round(time.monotonic() - started, 3)
    LOGGER.info("items done", extra={**about, "items": len(results), "seconds": seconds})
    return tuple(results)


def _log_item(source: str, result: ItemResult, worker: Worker) -> None:
    about = {"item": result.index, "source": source}
    if result.error is None:
        LOGGER.info("item done", extra={**about, "bytes": sum(output.bytes for output in result.outputs)})
        return
    if worker.last_words:
        about["decoder"] = worker.last_words
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
