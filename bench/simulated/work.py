"""A Pod's part: the order by its URL, outputs and the result by the forms and URLs in it.

It is the processor's own code but for the pictures, which are not made: every output is one and the same.
"""

from __future__ import annotations

import io

import msgspec
from PIL import Image

from imagejob_contract.order import Order
from imagejob_contract.output import Format
from imagejob_contract.result import ExitCode, Result, Summary
from imagejob_processor.child_process.supervisor import RenderedImage
from imagejob_processor.errors import PodFailure
from imagejob_processor.main import read_order
from imagejob_processor.rendering.encoded import EncodedRendition
from imagejob_processor.shard import Shard
from imagejob_processor.storage import Store

SIDE = 8


def picture() -> io.BytesIO:
    """The one picture that there is."""
    made = io.BytesIO()
    Image.new("RGB", (SIDE, SIDE), "teal").save(made, "PNG")
    made.seek(0)
    return made


class _Painter:
    """Stands in for the decoding child: gives the same picture for every rendition, whatever the source."""

    stderr_tail = ""

    def __init__(self, order: Order) -> None:
        formats = {rendition.output.format for rendition in order.renditions}
        assert formats == {Format.PNG}, f"the one picture that there is is a PNG: {formats}"
        data = picture().getvalue()
        self._made = RenderedImage(
            tuple(EncodedRendition(r.name, SIDE, SIDE, data) for r in order.renditions), None
        )

    def process(self, source: bytes, name: str) -> RenderedImage:
        return self._made


def do_part(store: Store, order_url: str) -> tuple[ExitCode, Summary]:
    """Do what a processor does; the exit code and the termination message of its container."""
    try:
        order = read_order(store.get_order(order_url))
        shard = Shard(order, store, [_Painter(order)])
        try:
            results = tuple(finished.result for finished in shard.results())
        finally:
            shard.close()
        result = Result(version=1, shard=order.shard, attempt=order.attempt, items=results)
        store.put_result(order.result_url, msgspec.json.encode(result))
    except PodFailure as failure:
        return failure.exit_code, Summary(error=str(failure))
    failed = sum(result.error is not None for result in results)
    return ExitCode.DONE, Summary(succeeded=len(results) - failed, failed=failed)
