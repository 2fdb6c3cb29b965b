"""The work of a Pod: fetch the order by its URL, store outputs and the result.

It is the processor's own code, except that no image is processed: all outputs are the same.
"""

from __future__ import annotations

import io

import msgspec
from PIL import Image

from imagejob_contract.order import Order
from imagejob_contract.output import Format
from imagejob_contract.result import ExitCode, Result, Summary, encode_result
from imagejob_processor.child_process.supervisor import RenderedImage
from imagejob_processor.errors import PodFailure
from imagejob_processor.main import read_order
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.shard import Shard
from imagejob_processor.storage import Store

SIDE = 8


def picture() -> io.BytesIO:
    """The content of every output."""
    made = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "teal").save(made, "PNG")
    made.seek(0)
    return made


class _Painter:
    """A decoder that returns the same image for every rendition and source."""

    stderr_tail = ""

    def __init__(self, order: Order) -> None:
        formats = {rendition.output.format for rendition in order.renditions}
        assert formats == {Format.PNG}, f"all renditions must be PNG, not {formats}"
        data = picture().getvalue()
        self._made = RenderedImage(
            tuple(EncodedRendition(r.name, SIDE, SIDE, data) for r in order.renditions), None
        )

    def process(self, source: bytes, name: str) -> RenderedImage:
        return self._made


def do_part(store: Store, order_url: str) -> tuple[ExitCode, str]:
    """Do the work of a processor; returns the exit code and the termination message."""
    try:
        order = read_order(store.get_order(order_url))
        shard = Shard(order, store, [_Painter(order)])
        try:
            results = tuple(finished.result for finished in shard.results())
        finally:
            shard.close()
        result = Result(version=1, shard=order.shard, attempt=order.attempt, items=results)
        store.put_result(order.result_url, encode_result(result))
    except PodFailure as failure:
        return failure.exit_code, str(failure)
    failed = sum(result.error is not None for result in results)
    summary = Summary(succeeded=len(results) - failed, failed=failed)
    return ExitCode.DONE, msgspec.json.encode(summary).decode()
