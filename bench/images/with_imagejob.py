"""The processor's decoder process, run as in a Pod: with the same pipes and environment."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imagejob_contract.order import EngineName, ItemLimits
from imagejob_contract.output import Format, Output
from imagejob_contract.recipe import Rendition, Resample, Resize, Step
from imagejob_processor.child_process import protocol, supervisor
from imagejob_processor.rendering.encoded import EncodedRendition

LIMITS = ItemLimits(item_bytes=64 << 20, pixels=50_000_000, frames=100, item_timeout_seconds=120)
SIDES = (1600, 800, 200)


@dataclass(frozen=True)
class Spent:
    """The cost of a process: CPU in seconds (user and system), and peak memory in bytes."""

    cpu: float
    memory: int


def run(engine: EngineName, how: Resample, form: str, sources: list[bytes], out: Path | None = None) -> Spent:
    """Process `sources` in one process, one after the other; those of the first are written to `out`."""
    # Nearly lossless, and resized as planes.
    output = Output(Format.JPEG, quality=100) if form == "PNG" else Output(Format(form))
    renditions = tuple(
        Rendition(
            name=str(side),
            steps=(Step(resize=Resize(width=side, height=side, resample=how)),),
            output=output,
        )
        for side in SIDES
    )
    child = subprocess.Popen(
        supervisor.COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **supervisor.MEMORY_ENVIRONMENT},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    _write(child, protocol.encode(protocol.Setup(renditions, LIMITS, 0, 1 << 30, engine)))
    ready = next(_replies(child))
    assert isinstance(ready, protocol.Ready)
    assert ready.engine is engine, f"{engine} is not available here"
    assert ready.jpeg_planes == (engine is EngineName.SIMD), "libturbojpeg0 is not available here"
    for number, source in enumerate(sources):
        _write(child, b"")
        _write(child, source)
        for reply in _replies(child):
            if isinstance(reply, protocol.Done):
                assert reply.error is None, reply.error
                break
            if out is not None and number == 0 and isinstance(reply, EncodedRendition):
                (out / f"{reply.rendition}.png").write_bytes(reply.data)
    memory = peak_bytes(child.pid)
    child.stdin.close()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    child.stdout.close()
    assert child.returncode == 0
    return Spent(usage.ru_utime + usage.ru_stime, memory)


def peak_bytes(pid: int) -> int:
    """The peak memory of a process; that of `wait4` includes the parent's before `exec`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found.group(1)) * 1024


def _write(child: subprocess.Popen[bytes], content: bytes) -> None:
    assert child.stdin is not None
    protocol.write_frame(child.stdin, content)
    child.stdin.flush()


def _replies(child: subprocess.Popen[bytes]) -> Iterator[protocol.Reply]:
    assert child.stdout is not None
    while (content := protocol.read_frame(child.stdout)) is not None:
        yield protocol.decode_reply(content)
