"""The program of a Pod, from the URL of the order to the exit code.

    order  ->  items  ->  result  ->  termination message

The operator decides by the exit code whether to launch the shard again. SIGTERM ends the Pod without a
result.
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
from imagejob_contract.result import (
    MAX_RESULT_BYTES,
    ExitCode,
    ItemResult,
    Result,
    Summary,
    Work,
    encode_result,
)
from imagejob_contract.source_format import UnknownExtension, for_source
from imagejob_processor import cgroup
from imagejob_processor.child_process.protocol import Setup
from imagejob_processor.child_process.supervisor import Supervisor
from imagejob_processor.errors import THE_ORDER, BadOrder, ItemFailure, PodFailure
from imagejob_processor.logs import LOGGER, set_up_logs
from imagejob_processor.progress import ProgressReport
from imagejob_processor.shard import FinishedItem, Shard
from imagejob_processor.spans import Spans
from imagejob_processor.storage import Store

TERMINATION_LOG = "/dev/termination-log"


def main(environment: Mapping[str, str] = os.environ) -> int:
    """Run the program; returns its exit code."""
    set_up_logs()
    try:
        summary = run(environment)
    except PodFailure as failure:
        LOGGER.error("the Pod failed", extra={"cause": str(failure), "exitCode": int(failure.exit_code)})
        _write_termination_message(str(failure).encode(), environment)
        return failure.exit_code
    except SystemExit as stop:
        LOGGER.warning("the Pod was terminated")
        _write_termination_message(b"terminated by SIGTERM before the result was stored", environment)
        return stop.code if isinstance(stop.code, int) else ExitCode.INTERNAL
    except Exception:  # noqa: BLE001 - any error ends the Pod with a termination message
        LOGGER.exception("internal error")
        text = b"internal error in the processor; for details, see the log of the Pod"
        _write_termination_message(text, environment)
        return ExitCode.INTERNAL
    _write_termination_message(msgspec.json.encode(summary), environment)
    return ExitCode.DONE


def run(environment: Mapping[str, str], store: Store | None = None) -> Summary:
    """Process the order and store its result.

    Raises:
        PodFailure: No result was stored.
    """
    url = environment.get(ORDER_URL_VARIABLE, "")
    if not url:
        raise BadOrder(f"{ORDER_URL_VARIABLE} is not set")
    store, spans = store or _store(environment), Spans()
    with contextlib.ExitStack() as closing:
        # The first decoder loads its libraries while the order is fetched.
        decoders = [closing.enter_context(contextlib.closing(Supervisor()))]
        with spans.during(Work.ORDER):
            order = read_order(store.get_order(url))
            watermark_images = _fetch_watermark_images(order, store)
        engine = _engine(environment)
        setup, count = _setup(order, watermark_images, engine, cgroup.cpus(), cgroup.memory_limit())
        decoders += [closing.enter_context(contextlib.closing(Supervisor())) for _ in range(count - 1)]
        for decoder in decoders:
            decoder.configure(setup)
        results = _process_items(order, store, decoders, spans)
    _store_result(order, store, results)
    failed = sum(result.error is not None for result in results)
    return Summary(succeeded=len(results) - failed, failed=failed, spans=spans.made())


def _store(environment: Mapping[str, str]) -> Store:
    try:
        return Store(ca_bundle=environment.get(STORE_CA_VARIABLE, ""))
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise BadOrder(f"{STORE_CA_VARIABLE} contains no valid PEM certificate") from error


def read_order(content: bytes) -> Order:
    """Decode and check an order.

    Raises:
        BadOrder: It is invalid, or has fields that this version does not know.
    """
    try:
        order = msgspec.json.decode(content, type=Order)
    except msgspec.DecodeError as error:
        raise BadOrder(f"{THE_ORDER} is invalid: {error}") from error
    if not order.renditions:
        raise BadOrder(f"{THE_ORDER} has no renditions")
    if len({rendition.name for rendition in order.renditions}) < len(order.renditions):
        raise BadOrder(f"{THE_ORDER} has two renditions with the same name")
    if len({item.index for item in order.items}) < len(order.items):
        raise BadOrder(f"{THE_ORDER} has two items with the same index")
    try:
        for item in order.items:
            for rendition in order.renditions:
                for_source(rendition, item.source)
    except UnknownExtension as error:
        raise BadOrder(f"{THE_ORDER} is invalid: {error}") from error
    return order


def _engine(environment: Mapping[str, str]) -> EngineName:
    name = environment.get(ENGINE_VARIABLE) or EngineName.SIMD
    if name not in list(EngineName):
        raise BadOrder(f"{ENGINE_VARIABLE} is {name!r}: it must be one of {', '.join(EngineName)}")
    return EngineName(name)


def _fetch_watermark_images(order: Order, store: Store) -> dict[str, bytes]:
    try:
        return {
            image.key: store.get_source(image.url, image.etag, MAX_WATERMARK_IMAGE_BYTES)
            for image in order.watermark_images
        }
    except ItemFailure as failure:
        raise BadOrder(f"a watermark image could not be read: {failure}") from failure


def _setup(
    order: Order, watermark_images: dict[str, bytes], engine: EngineName, cpus: int, memory_limit: int | None
) -> tuple[Setup, int]:
    """Decide how many decoders there are, and how much memory each of them gets."""
    need = pod_memory.memory_bytes(order.renditions, order.limits)
    wanted = min(cpus, max(1, len(order.items)))
    count = pod_memory.fitting_workers(wanted, need, order.limits, memory_limit)
    allowed = pod_memory.allowed_bytes(need, order.limits, count, memory_limit)
    setup = Setup(order.renditions, order.limits, allowed, order.upload.max_bytes, engine, watermark_images)
    return setup, count


def _process_items(
    order: Order, store: Store, decoders: Sequence[Supervisor], spans: Spans
) -> tuple[ItemResult, ...]:
    """Process all items, with a log record for each."""
    shard_fields = {"job": order.job, "run": order.run, "shard": order.shard, "attempt": order.attempt}
    counts = {"items": len(order.items), "renditions": len(order.renditions), "decoders": len(decoders)}
    LOGGER.info("order received", extra={**shard_fields, **counts})
    started = time.monotonic()
    shard = Shard(order, store, decoders, spans)
    results = []
    try:
        with ProgressReport(store, order.progress_url) as progress:
            for finished in shard.results():
                results.append(finished.result)
                progress.add(finished.result)
                _log_item(finished)
    finally:
        shard.close()
    seconds = round(time.monotonic() - started, 3)
    engine = {"engine": decoders[0].engine, "jpegPlanes": decoders[0].jpeg_planes}
    extra = {**shard_fields, "items": len(results), "seconds": seconds, **engine}
    LOGGER.info("all items processed", extra=extra)
    return tuple(results)


def _log_item(finished: FinishedItem) -> None:
    result = finished.result
    fields: dict[str, object] = {"item": result.index, "source": finished.item.source}
    if result.error is None:
        total = sum(output.bytes for output in result.outputs)
        LOGGER.info("item processed", extra={**fields, "bytes": total})
        return
    if finished.stderr_tail:
        fields["decoderOutput"] = finished.stderr_tail
    LOGGER.warning("item failed", extra={**fields, "code": result.error.code, "cause": result.error.message})


def _store_result(order: Order, store: Store, results: tuple[ItemResult, ...]) -> None:
    result = Result(version=1, shard=order.shard, attempt=order.attempt, items=results)
    content = encode_result(result)
    if len(content) > MAX_RESULT_BYTES:
        text = f"the result has {len(content)} bytes, over the limit of {MAX_RESULT_BYTES}"
        raise BadOrder(f"{text}; lower spec.execution.itemsPerPod")
    if store.put_result(order.result_url, content):
        LOGGER.info("result stored", extra={"bytes": len(content)})
    else:
        LOGGER.info("another attempt stored its result first", extra={"shard": order.shard})


def _write_termination_message(message: bytes, environment: Mapping[str, str]) -> None:
    """Write the termination message, if there is a file for it: the kubelet creates the default one.

    After a success it is the summary; otherwise it is a text for people.
    """
    override = environment.get(TERMINATION_LOG_VARIABLE)
    flags = os.O_WRONLY | os.O_TRUNC | (os.O_CREAT if override else 0)
    with (
        contextlib.suppress(OSError),
        open(override or TERMINATION_LOG, "wb", opener=lambda path, _: os.open(path, flags, 0o644)) as file,
    ):
        file.write(message)
