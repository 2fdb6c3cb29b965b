"""Child: the process that decodes and encodes. It has pipes and nothing else: no network, no files, no URL.

Bad images are answered, bad enough ones cost this process its life; the parent then starts another.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from typing import BinaryIO

from imagejob_contract.result import ImageFacts, ItemCode
from imagejob_contract.source_format import for_source
from imagejob_processor import limits
from imagejob_processor.child_process.protocol import (
    Done,
    Picture,
    Ready,
    Setup,
    decode_setup,
    encode,
    read_frame,
    write_frame,
)
from imagejob_processor.errors import CodecFailure, ItemFailure, describe
from imagejob_processor.pixels import watermark_image
from imagejob_processor.pixels.resampling import Engine, engine_of
from imagejob_processor.rendering import pipeline


def main() -> None:
    """Serve items from standard input until it is closed."""
    # A Ctrl-C in a terminal reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = os.fdopen(os.dup(0), "rb", 1 << 20)
    sink = os.fdopen(os.dup(1), "wb", 1 << 16)
    # A library that prints must not get into the middle of a frame.
    os.dup2(2, 1)
    content = read_frame(source)
    if content is None:
        return
    setup = decode_setup(content)
    _limit_memory(setup.address_space)
    engine = engine_of(setup.engine)
    watermark_image.bring(setup.watermark_images)
    write_frame(sink, encode(Ready(engine.name, engine.codec is not None)))
    while (name := read_frame(source)) is not None and (data := read_frame(source)) is not None:
        _serve(name.decode(), data, setup, engine, sink)


def _serve(name: str, data: bytes, setup: Setup, engine: Engine, sink: BinaryIO) -> None:
    """Answer one item."""
    error = facts = None
    try:
        renditions = tuple(for_source(rendition, name) for rendition in setup.renditions)
        for made in pipeline.render(data, renditions, setup.limits, engine):
            if isinstance(made, ImageFacts):
                facts = made
                continue
            _check_output(made, setup)
            write_frame(sink, encode(Picture(made.rendition, made.width, made.height, made.data)))
    except CodecFailure as failure:
        short = 0 < setup.address_space < failure.need
        told = limits.out_of_memory(setup.address_space, failure.message) if short else failure
        error = told.as_error()
    except ItemFailure as failure:
        error = failure.as_error()
    except MemoryError:
        error = limits.out_of_memory(setup.address_space).as_error()
    except BrokenPipeError:
        sys.exit(0)
    except Exception as unforeseen:  # noqa: BLE001 - the last net: one item's failure, with its cause
        traceback.print_exc()
        error = ItemFailure(ItemCode.STEP_FAILED, f"cannot be processed: {describe(unforeseen)}").as_error()
    write_frame(sink, encode(Done(error, facts)))


def _check_output(made: pipeline.Encoded, setup: Setup) -> None:
    if len(made.data) > setup.output_bytes:
        raise ItemFailure(
            ItemCode.OUTPUT_TOO_LARGE,
            f"rendition {made.rendition!r}: {len(made.data)} bytes, over the {setup.output_bytes} "
            "that may be uploaded",
        )


def _limit_memory(address_space: int) -> None:
    """Make the kernel refuse memory over the limit, so that a bomb is a `MemoryError` here."""
    if address_space <= 0:
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = address_space if hard == resource.RLIM_INFINITY else min(address_space, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
