"""The decoder process. It has pipes and nothing else: no network, no files, no URLs.

A bad image is answered with an error. One that crashes this process costs its item; the parent restarts it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from typing import BinaryIO

from imagejob_contract.result import ImageFacts, ItemCode, ItemError
from imagejob_contract.source_format import for_source
from imagejob_processor import limits
from imagejob_processor.child_process.protocol import (
    Done,
    Ready,
    Setup,
    decode_setup,
    encode,
    read_frame,
    write_frame,
)
from imagejob_processor.errors import CodecFailure, ItemFailure
from imagejob_processor.notes import collecting
from imagejob_processor.pixels import watermark_image
from imagejob_processor.pixels.resampling import Engine, load_engine
from imagejob_processor.rendering import pipeline
from imagejob_processor.rendering.encoded import EncodedRendition


def main() -> None:
    """Process items from standard input until it is closed."""
    # Ctrl-C in a terminal reaches the whole process group; the parent decides what to do.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    source = os.fdopen(os.dup(0), "rb", 1 << 20)
    sink = os.fdopen(os.dup(1), "wb", 1 << 16)
    # Output that a library prints must not corrupt a frame.
    os.dup2(2, 1)
    content = read_frame(source)
    if content is None:
        return
    setup = decode_setup(content)
    _limit_memory(setup.address_space)
    engine = load_engine(setup.engine)
    watermark_image.load_images(setup.watermark_images)
    write_frame(sink, encode(Ready(engine.name, engine.codec is not None)))
    while (name := read_frame(source)) is not None and (data := read_frame(source)) is not None:
        _process(name.decode(), data, setup, engine, sink)


def _process(name: str, data: bytes, setup: Setup, engine: Engine, sink: BinaryIO) -> None:
    error = facts = None
    with collecting() as notes:
        try:
            renditions = tuple(for_source(rendition, name) for rendition in setup.renditions)
            for made in pipeline.render(data, renditions, setup.limits, engine):
                if isinstance(made, ImageFacts):
                    facts = made
                    continue
                _check_output_size(made, setup)
                write_frame(sink, encode(made))
        except BrokenPipeError:
            sys.exit(0)
        except Exception as failure:  # noqa: BLE001 - any error fails this item only
            error = _item_error(failure, setup)
    write_frame(sink, encode(Done(error, facts, tuple(notes))))


def _item_error(failure: Exception, setup: Setup) -> ItemError:
    """Return what the result says; what only developers can read goes to the log."""
    if isinstance(failure, MemoryError):
        return limits.out_of_memory(setup.address_space).as_error()
    if isinstance(failure, CodecFailure):
        cause = failure.__cause__
        print("".join(traceback.format_exception_only(cause)), end="", file=sys.stderr)  # noqa: T201
        if 0 < setup.address_space < failure.memory_needed:
            return limits.out_of_memory(setup.address_space, failure.message).as_error()
    if isinstance(failure, ItemFailure):
        return failure.as_error()
    traceback.print_exception(failure)
    text = "internal error in the processor; for details, see the log of the Pod"
    return ItemFailure(ItemCode.STEP_FAILED, text).as_error()


def _check_output_size(made: EncodedRendition, setup: Setup) -> None:
    if len(made.data) > setup.output_bytes:
        raise ItemFailure(
            ItemCode.OUTPUT_TOO_LARGE,
            f"rendition {made.rendition!r}: the output has {len(made.data)} bytes, over the upload limit of "
            f"{setup.output_bytes}; reduce its size or quality",
        )


def _limit_memory(address_space: int) -> None:
    """Set the kernel's limit, so that an allocation above it fails with `MemoryError`."""
    # macOS counts what it shares between all processes, and refuses limits below that.
    if address_space <= 0 or sys.platform == "darwin":
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = address_space if hard == resource.RLIM_INFINITY else min(address_space, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    main()
