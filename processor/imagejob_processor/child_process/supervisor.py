"""The parent's side of the decoder process: it starts, feeds, monitors, kills and restarts it.

A child that takes too long or dies costs the item that it was processing and nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from imagejob_contract.order import ORDER_URL_VARIABLE, EngineName
from imagejob_contract.result import ImageFacts, ItemCode, Notes
from imagejob_processor import cgroup
from imagejob_processor.child_process import protocol
from imagejob_processor.child_process.framing import ChildDied, ChildTimedOut, Pipes
from imagejob_processor.child_process.protocol import Done, Ready, Setup
from imagejob_processor.errors import DecoderUnavailable, ItemFailure
from imagejob_processor.rendering.encoded import EncodedRendition

COMMAND = (sys.executable, "-P", "-m", "imagejob_processor.child_process.child")
START_SECONDS = 60.0
MEMORY_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""Lets the child keep up to 128 MiB of freed memory.

Pixels come in blocks of 16 MiB. Having the kernel map and clear them again for every image costs more than a
resize.
"""

RECYCLE_AFTER = 500
"""A child is replaced after so many items, which also frees what its libraries leak."""

RECYCLE_SHARE = 0.7
"""A child that holds more than this share of its address space between two items is replaced."""

_FRAME_OVERHEAD = 64 * 1024


@dataclass(frozen=True)
class RenderedImage:
    """All renditions of one item, in the order of the spec, facts about its source, and notes."""

    renditions: tuple[EncodedRendition, ...]
    facts: ImageFacts | None
    notes: Notes = ()


class Supervisor:
    """Keeps one decoder process ready for the next item.

    The process starts at once, so that it loads its libraries while the order is fetched. Call `configure`
    before the first `process`.

    Attributes:
        stderr_tail: The end of what the child printed for the last item.
        engine: The resampling engine that the child uses.
        jpeg_planes: Whether the child resizes JPEGs as planes.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._setup: Setup | None = None
        self._configured = False
        self._closed = False
        self._items = 0
        self.stderr_tail = ""
        self.engine = EngineName.PILLOW
        self.jpeg_planes = False
        self._start()

    @property
    def pid(self) -> int:
        """Process id of the present child."""
        return self._child.pid

    def configure(self, setup: Setup) -> None:
        """Set what to do with every item; call it once."""
        self._setup = setup

    def process(self, source: bytes, name: str = "") -> RenderedImage:
        """Make all renditions of one item.

        Args:
            source: The file.
            name: Its name, whose extension decides the format of `output.format: Same`.

        Raises:
            ItemFailure: From the child; or IMG_007 if it took too long, IMG_008 if it died.
            DecoderUnavailable: No child can be started.
        """
        setup = self._ensure_ready()
        self._pipes.stderr_tail = ""
        try:
            made = self._exchange(source, name, setup)
            self._recycle(setup)
            return made
        except ChildTimedOut:
            self._child.kill()
            self._restart()
            seconds = setup.limits.item_timeout_seconds
            raise ItemFailure(
                ItemCode.TIMED_OUT,
                f"processing took longer than {seconds} s; "
                "raise limits.itemTimeoutSeconds or reduce the source",
            ) from None
        except ChildDied:
            message = f"the decoder process died while it processed this item: {self._restart()}"
            raise ItemFailure(ItemCode.KILLED, message) from None

    def close(self) -> None:
        """Kill the child for good; safe to call twice, and while another thread waits for the child."""
        self._closed = True
        self._dispose()

    # --- lifecycle of the child ---

    def _dispose(self) -> None:
        self._child.kill()
        self._child.wait()
        self._pipes.close()

    def _start(self) -> None:
        if self._closed:
            raise DecoderUnavailable("the Pod is terminating")
        environment = {name: value for name, value in os.environ.items() if name != ORDER_URL_VARIABLE}
        environment |= MEMORY_ENVIRONMENT
        try:
            self._child = subprocess.Popen(
                self._command,
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
            )
        except OSError as error:
            raise DecoderUnavailable(f"the decoder process could not be started: {error.strerror}") from error
        self._configured = False
        self._items = 0
        self._pipes = Pipes(self._child)

    def _ensure_ready(self) -> Setup:
        if self._setup is None:
            raise DecoderUnavailable("the decoder process was not configured")
        if self._child.poll() is not None and self._configured:
            # It died between two items, so neither is to blame.
            self._restart()
        if not self._configured:
            self._send_setup(self._setup)
            self._configured = True
        return self._setup

    def _send_setup(self, setup: Setup) -> None:
        deadline = time.monotonic() + START_SECONDS
        try:
            self._pipes.send(protocol.encode(setup), deadline)
            reply = self._pipes.receive(deadline, _FRAME_OVERHEAD)
            if isinstance(reply, Ready):
                self.engine, self.jpeg_planes = reply.engine, reply.jpeg_planes
                return
            cause = "its first reply is not Ready"
        except ChildTimedOut:
            cause = f"not ready after {START_SECONDS:.0f} s"
        except ChildDied:
            cause = self._reap()
        raise DecoderUnavailable(f"the decoder process failed to start: {cause}")

    def _recycle(self, setup: Setup) -> None:
        """Replace a child that is old or holds much; the new one loads while the next item is fetched."""
        self._items += 1
        held = cgroup.resident_bytes(self._child.pid) if setup.address_space else 0
        if self._items >= RECYCLE_AFTER or held > RECYCLE_SHARE * setup.address_space:
            self._dispose()
            self._start()

    def _restart(self) -> str:
        """Start a new child; returns how the old one ended."""
        cause = self._reap()
        self.stderr_tail = self._pipes.stderr_tail
        self._start()
        return cause

    def _reap(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            # A child that closed its pipes is about to exit: wait for its own exit status.
            self._child.wait(timeout=0.2)
        self._pipes.read_stderr()
        self._dispose()
        return _describe_exit(self._child.returncode)

    # --- one item ---

    def _exchange(self, source: bytes, name: str, setup: Setup) -> RenderedImage:
        try:
            return self._request(source, name, setup)
        finally:
            self.stderr_tail = self._pipes.stderr_tail

    def _request(self, source: bytes, name: str, setup: Setup) -> RenderedImage:
        deadline = time.monotonic() + setup.limits.item_timeout_seconds
        positions = {rendition.name: position for position, rendition in enumerate(setup.renditions)}
        received: dict[str, EncodedRendition] = {}
        self._pipes.send(name.encode(), deadline)
        self._pipes.send(source, deadline)
        while True:
            reply = self._pipes.receive(deadline, setup.output_bytes + _FRAME_OVERHEAD)
            if isinstance(reply, EncodedRendition) and reply.rendition in positions:
                received[reply.rendition] = reply
            elif isinstance(reply, Done) and reply.error is not None:
                raise ItemFailure(reply.error.code, reply.error.message)
            elif isinstance(reply, Done) and len(received) == len(positions):
                ordered = sorted(received.values(), key=lambda each: positions[each.rendition])
                return RenderedImage(tuple(ordered), reply.facts, reply.notes)
            else:
                raise ChildDied


def _describe_exit(status: int) -> str:
    if status >= 0:
        return f"it exited with status {status}"
    hint = ", probably by the kernel because it ran out of memory" if -status == signal.SIGKILL else ""
    return f"it was killed by {signal.Signals(-status).name}{hint}"
