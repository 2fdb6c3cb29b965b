"""Frames to and from the child, which is not trusted: frames have a length limit, waits a deadline."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import subprocess
import time

import msgspec

from imagejob_processor.child_process import protocol
from imagejob_processor.child_process.protocol import Reply

_PIPE_BYTES = 1 << 20
_STDERR_CHARACTERS = 2000


class ChildDied(Exception):
    """The child closed its pipes or violated the protocol."""


class ChildTimedOut(Exception):
    """The deadline passed."""


class Pipes:
    """The three pipes of a child, from the parent's side.

    Attributes:
        stderr_tail: The end of the child's standard error.
    """

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        stdin, stdout, stderr = child.stdin, child.stdout, child.stderr
        assert stdin is not None and stdout is not None and stderr is not None  # noqa: S101, PT018
        self._files = (stdin, stdout, stderr)
        self._stdin, self._stdout, self._stderr = (file.fileno() for file in self._files)
        self.stderr_tail = ""
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
        for pipe in (self._stdin, self._stdout):
            # Fewer context switches; the kernel may refuse it, and only Linux has it.
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def close(self) -> None:
        """Close all pipes; safe to call twice."""
        self._selector.close()
        for pipe in self._files:
            # Closing flushes, which fails for a frame that was sent in part.
            with contextlib.suppress(OSError):
                pipe.close()

    def send(self, content: bytes, deadline: float) -> None:
        """Write a frame, reading the child's standard error meanwhile.

        Raises:
            ChildDied: The child has closed a pipe.
            ChildTimedOut: The deadline passed.
        """
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        try:
            for part in (protocol.length_prefix(content), content):
                rest = memoryview(part)
                while rest:
                    if self._stdin in self._wait(deadline):
                        rest = rest[self._write(rest) :]
        finally:
            self._selector.unregister(self._stdin)

    def _write(self, content: memoryview) -> int:
        try:
            return os.write(self._stdin, content[:_PIPE_BYTES])
        except BlockingIOError:
            return 0
        except OSError as error:
            raise ChildDied from error

    def receive(self, deadline: float, max_bytes: int) -> Reply:
        """Read a frame of at most `max_bytes` bytes; raises as `send`."""
        length = int.from_bytes(self._read(protocol.LENGTH_BYTES, deadline), "big")
        if length > max_bytes:
            raise ChildDied
        try:
            return protocol.decode_reply(self._read(length, deadline))
        except msgspec.DecodeError as error:
            raise ChildDied from error

    def _read(self, length: int, deadline: float) -> bytearray:
        content = bytearray()
        while len(content) < length:
            if self._stdout not in self._wait(deadline):
                continue
            try:
                chunk = os.read(self._stdout, min(length - len(content), _PIPE_BYTES))
            except BlockingIOError:
                continue
            if not chunk:
                raise ChildDied
            content += chunk
        return content

    def _wait(self, deadline: float) -> set[int]:
        """Wait until a pipe is ready; returns those that are."""
        left = deadline - time.monotonic()
        ready = {key.fd for key, _ in self._selector.select(left)} if left > 0 else set()
        if not ready:
            raise ChildTimedOut
        if self._stderr in ready and not self.read_stderr():
            self._selector.unregister(self._stderr)
        if self._stdin not in ready and self._stdin in self._selector.get_map() and self._stdout in ready:
            # The child answers only after it has read the item: this is the end of its output.
            raise ChildDied
        return ready

    def read_stderr(self) -> bool:
        """Keep the end of the child's standard error for the log; False at the end of file."""
        try:
            text = os.read(self._stderr, _PIPE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.stderr_tail = (self.stderr_tail + text.decode(errors="replace"))[-_STDERR_CHARACTERS:]
        return bool(text)
