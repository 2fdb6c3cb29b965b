"""Worker: the parent's side of the decoding child. It starts, feeds, watches, kills and replaces it.

A child that takes too long or dies costs the item it was busy with and nothing else. The child is not
trusted: its frames have a length limit, and it is never waited for without a deadline.
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
from imagejob_contract.result import ImageFacts, ItemCode
from imagejob_processor import machine
from imagejob_processor.child_process import protocol
from imagejob_processor.child_process.framing import Died, Late, Pipes
from imagejob_processor.child_process.protocol import Done, Picture, Ready, Setup
from imagejob_processor.errors import ItemFailure, WorkerBroken, message_of

COMMAND = (sys.executable, "-P", "-m", "imagejob_processor.child_process.child")
START_SECONDS = 60.0
MEMORY_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
    "PYTHONDONTWRITEBYTECODE": "1",
}
"""For the child: pixels come in blocks of 16 MiB, and to have each one mapped and cleared by the kernel for
every image anew costs more than a resize does, so up to 128 MiB are kept.
"""
_FRAME_SLACK = 64 * 1024


RECYCLE_AFTER = 500
"""A child is replaced after so many items: what its libraries lose goes with it."""

RECYCLE_SHARE = 0.7
"""A child that holds more than this share of its address space between two items is replaced."""


@dataclass(frozen=True)
class Made:
    """What a child made of one item: pictures in the order of the spec, and what the source looks like."""

    pictures: tuple[Picture, ...]
    facts: ImageFacts | None


class Worker:
    """A decoding child, always ready for the next item.

    The process is started at once, so that it loads its libraries while the order is fetched; `configure`
    comes before the first `process`.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._setup: Setup | None = None
        self._configured = False
        self._closed = False
        self._items = 0
        self.last_words = ""
        self.engine = EngineName.PILLOW
        self.straight = False
        self._start()

    @property
    def pid(self) -> int:
        """Process id of the present child."""
        return self._child.pid

    def configure(self, setup: Setup) -> None:
        """Tell what all items are to become; may be called once."""
        self._setup = setup

    def process(self, source: bytes, name: str = "") -> Made:
        """Make all renditions of one item, in a child that is replaced in time.

        Args:
            source: The file.
            name: What it is called; the format that Same stands for goes by it.

        Raises:
            ItemFailure: From the child; or IMG_007 if it took too long, IMG_008 if it died.
            WorkerBroken: No child can be started.
        """
        setup = self._ready_setup()
        self._pipes.words = ""
        try:
            made = self._exchange(source, name, setup)
            self._recycle(setup)
            return made
        except Late:
            self._child.kill()
            self._replace()
            seconds = setup.limits.item_timeout_seconds
            message = f"took longer than {seconds} s (limits.itemTimeoutSeconds)"
            raise ItemFailure(ItemCode.TIMED_OUT, message) from None
        except Died:
            message = f"the decoding process died on this item: {self._replace()}"
            raise ItemFailure(ItemCode.KILLED, message) from None

    def close(self) -> None:
        """End the child for good; safe to call twice, and while another thread waits for the child."""
        self._closed = True
        self._dispose()

    # --- the life of a child ---

    def _dispose(self) -> None:
        self._child.kill()
        self._child.wait()
        self._pipes.close()

    def _start(self) -> None:
        if self._closed:
            raise WorkerBroken("the Pod is ending")
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
            raise WorkerBroken(f"the decoding process cannot be started: {error}") from error
        self._configured = False
        self._items = 0
        self._pipes = Pipes(self._child)

    def _ready_setup(self) -> Setup:
        """Bring a child to where it waits for an item."""
        if self._setup is None:
            raise WorkerBroken("the decoding process was not told what to do")
        if self._child.poll() is not None and self._configured:
            # It died while idle: no item is to blame.
            self._replace()
        if not self._configured:
            self._greet(self._setup)
            self._configured = True
        return self._setup

    def _greet(self, setup: Setup) -> None:
        deadline = time.monotonic() + START_SECONDS
        try:
            self._pipes.send(protocol.encode(setup), deadline)
            reply = self._pipes.receive(deadline, _FRAME_SLACK)
            if isinstance(reply, Ready):
                self.engine, self.straight = reply.engine, reply.straight
                return
            ending = "it does not speak our language"
        except Late:
            ending = f"not ready after {START_SECONDS:.0f} s"
        except Died:
            ending = self._end()
        raise WorkerBroken(f"the decoding process does not start: {ending}")

    def _recycle(self, setup: Setup) -> None:
        """Replace a child that has done much or holds much; the next one loads while its item is fetched."""
        self._items += 1
        held = machine.resident_bytes(self._child.pid) if setup.address_space else 0
        if self._items >= RECYCLE_AFTER or held > RECYCLE_SHARE * setup.address_space:
            self._dispose()
            self._start()

    def _replace(self) -> str:
        """Kill the child if need be, start another and tell how the old one ended."""
        ending = self._end()
        self.last_words = self._pipes.words
        self._start()
        return ending

    def _end(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that closed its pipes is about to end by itself, and how it does is worth knowing.
            self._child.wait(timeout=0.2)
        self._pipes.drain()
        self._dispose()
        return _ending(self._child.returncode)

    # --- one item ---

    def _exchange(self, source: bytes, name: str, setup: Setup) -> Made:
        try:
            return self._answers(source, name, setup)
        finally:
            self.last_words = self._pipes.words

    def _answers(self, source: bytes, name: str, setup: Setup) -> Made:
        deadline = time.monotonic() + setup.limits.item_timeout_seconds
        names = {rendition.name: position for position, rendition in enumerate(setup.renditions)}
        pictures: dict[str, Picture] = {}
        self._pipes.send(name.encode(), deadline)
        self._pipes.send(source, deadline)
        while True:
            reply = self._pipes.receive(deadline, setup.output_bytes + _FRAME_SLACK)
            if isinstance(reply, Picture) and reply.rendition in names:
                pictures[reply.rendition] = reply
            elif isinstance(reply, Done) and reply.error is not None:
                raise ItemFailure(reply.error.code, reply.error.message)
            elif isinstance(reply, Done) and len(pictures) == len(names):
                ordered = sorted(pictures.values(), key=lambda picture: names[picture.rendition])
                return Made(tuple(ordered), reply.facts)
            else:
                raise Died


def _ending(status: int | None) -> str:
    """Say how a process ended."""
    if status is None:
        return "it is still running"
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    hint = ", out of memory unless somebody killed it" if -status == signal.SIGKILL else ""
    return message_of(f"{name}{hint}")
