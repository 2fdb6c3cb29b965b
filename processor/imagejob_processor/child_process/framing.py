"""Pipes: frames to and from a child that is not trusted: none too long, none waited for without an end."""

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
_LAST_WORDS = 2000


class Died(Exception):
    """The child closed its pipes or spoke nonsense."""


class Late(Exception):
    """The deadline passed."""


class Pipes:
    """The three pipes of a child, from the parent's side.

    Attributes:
        words: The last that the child has said on its error output.
    """

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        stdin, stdout, stderr = child.stdin, child.stdout, child.stderr
        assert stdin is not None and stdout is not None and stderr is not None  # noqa: S101, PT018 - asked for
        self._files = (stdin, stdout, stderr)
        self._stdin, self._stdout, self._stderr = (file.fileno() for file in self._files)
        self.words = ""
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
        for pipe in (self._stdin, self._stdout):
            # Fewer switches between the two processes; the kernel may refuse it.
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)

    def close(self) -> None:
        """Close all; safe to call twice."""
        self._selector.close()
        for pipe in self._files:
            # A half-sent frame has nowhere to go any more.
            with contextlib.suppress(OSError):
                pipe.close()

    def send(self, content: bytes, deadline: float) -> None:
        """Write a frame, reading what the child says on its error output meanwhile.

        Raises:
            Died, Late: It could not be written, or not in time.
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
            raise Died from error

    def receive(self, deadline: float, most: int) -> Reply:
        """Read a frame of at most `most` bytes; raises as `send`."""
        length = int.from_bytes(self._read(protocol.LENGTH_BYTES, deadline), "big")
        if length > most:
            raise Died
        try:
            return protocol.decode_reply(self._read(length, deadline))
        except msgspec.DecodeError as error:
            raise Died from error

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
                raise Died
            content += chunk
        return content

    def _wait(self, deadline: float) -> set[int]:
        """Wait until a pipe can be used; gives those that can."""
        left = deadline - time.monotonic()
        ready = {key.fd for key, _ in self._selector.select(left)} if left > 0 else set()
        if not ready:
            raise Late
        if self._stderr in ready and not self.drain():
            self._selector.unregister(self._stderr)
        if self._stdin not in ready and self._stdin in self._selector.get_map() and self._stdout in ready:
            # While we still write, the only thing to read is the end.
            raise Died
        return ready

    def drain(self) -> bool:
        """Keep the last of what the child says for the log; False at the end of it."""
        try:
            words = os.read(self._stderr, _PIPE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.words = (self.words + words.decode(errors="replace"))[-_LAST_WORDS:]
        return bool(words)
