"""Worker: the parent's side of the decoding child. It starts, feeds, watches, kills and replaces it.

A child that takes too long or dies costs the item it was busy with and nothing else. The child is not
trusted: its frames have a length limit, and it is never waited for without a deadline.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec

from imagejob_processor import channel
from imagejob_processor.channel import Done, Picture, Ready, Reply, Setup
from imagejob_processor.contract import ORDER_URL_VARIABLE, ItemCode
from imagejob_processor.failure import ItemFailure, WorkerBroken, message_of

COMMAND = (sys.executable, "-P", "-m", "imagejob_processor.child")
START_SECONDS = 60.0
_PIPE_BYTES = 1 << 20
_FRAME_SLACK = 64 * 1024
_LAST_WORDS = 2000


class _Died(Exception):
    """The child closed its pipes or spoke nonsense."""


class _Late(Exception):
    """The deadline passed."""


class Worker:
    """A decoding child, always ready for the next item.

    The process is started at once, so that it loads its libraries while the order is fetched; `configure`
    comes before the first `process`.
    """

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._setup: Setup | None = None
        self._configured = False
        self.last_words = ""
        self._start()

    @property
    def pid(self) -> int:
        """Process id of the present child."""
        return self._child.pid

    def configure(self, setup: Setup) -> None:
        """Tell what all items are to become; may be called once."""
        self._setup = setup

    def process(self, source: bytes) -> list[Picture]:
        """Make all renditions of one item.

        Raises:
            ItemFailure: From the child; or IMG_007 if it took too long, IMG_008 if it died.
            WorkerBroken: No child can be started.
        """
        setup = self._ready_setup()
        self.last_words = ""
        try:
            return self._exchange(source, setup)
        except _Late:
            self._child.kill()
            self._replace()
            seconds = setup.limits.item_timeout_seconds
            message = f"took longer than {seconds} s (limits.itemTimeoutSeconds)"
            raise ItemFailure(ItemCode.TIMED_OUT, message) from None
        except _Died:
            message = f"the decoding process died on this item: {self._replace()}"
            raise ItemFailure(ItemCode.KILLED, message) from None

    def close(self) -> None:
        """End the child; safe to call twice."""
        self._child.kill()
        self._child.wait()
        self._selector.close()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                # A half-sent frame has nowhere to go any more.
                with contextlib.suppress(OSError):
                    pipe.close()

    # --- the life of a child ---

    def _start(self) -> None:
        environment = {name: value for name, value in os.environ.items() if name != ORDER_URL_VARIABLE}
        environment |= {"MALLOC_ARENA_MAX": "2", "PYTHONDONTWRITEBYTECODE": "1"}
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
        self._open_pipes()

    def _open_pipes(self) -> None:
        stdin, stdout, stderr = self._child.stdin, self._child.stdout, self._child.stderr
        assert stdin is not None and stdout is not None and stderr is not None  # noqa: S101, PT018 - asked for
        self._stdin, self._stdout, self._stderr = stdin.fileno(), stdout.fileno(), stderr.fileno()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe, False)
        for pipe in (self._stdin, self._stdout):
            # Fewer switches between the two processes; the kernel may refuse it.
            with contextlib.suppress(OSError):
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._stdout, selectors.EVENT_READ)
        self._selector.register(self._stderr, selectors.EVENT_READ)
        self.last_words = ""

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
            self._send(channel.encode(setup), deadline)
            if isinstance(self._receive(deadline, _FRAME_SLACK), Ready):
                return
            ending = "it does not speak our language"
        except _Late:
            ending = f"not ready after {START_SECONDS:.0f} s"
        except _Died:
            ending = self._end()
        raise WorkerBroken(f"the decoding process does not start: {ending}")

    def _replace(self) -> str:
        """Kill the child if need be, start another and tell how the old one ended."""
        ending = self._end()
        words = self.last_words
        self._start()
        self.last_words = words
        return ending

    def _end(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            # One that closed its pipes is about to end by itself, and how it does is worth knowing.
            self._child.wait(timeout=0.2)
        self._drain_stderr()
        self.close()
        return _ending(self._child.returncode)

    # --- one item ---

    def _exchange(self, source: bytes, setup: Setup) -> list[Picture]:
        deadline = time.monotonic() + setup.limits.item_timeout_seconds
        names = {rendition.name: position for position, rendition in enumerate(setup.renditions)}
        pictures: dict[str, Picture] = {}
        self._send(source, deadline)
        while True:
            reply = self._receive(deadline, setup.output_bytes + _FRAME_SLACK)
            if isinstance(reply, Picture) and reply.rendition in names:
                pictures[reply.rendition] = reply
            elif isinstance(reply, Done) and reply.error is not None:
                raise ItemFailure(reply.error.code, reply.error.message)
            elif isinstance(reply, Done) and len(pictures) == len(names):
                return sorted(pictures.values(), key=lambda picture: names[picture.rendition])
            else:
                raise _Died

    def _send(self, content: bytes, deadline: float) -> None:
        """Write a frame, reading what the child says on its error output meanwhile."""
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        try:
            for part in (channel.length_prefix(content), content):
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
            raise _Died from error

    def _receive(self, deadline: float, most: int) -> Reply:
        """Read a frame of at most `most` bytes."""
        length = int.from_bytes(self._read(channel.LENGTH_BYTES, deadline), "big")
        if length > most:
            raise _Died
        try:
            return channel.decode_reply(self._read(length, deadline))
        except msgspec.DecodeError as error:
            raise _Died from error

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
                raise _Died
            content += chunk
        return content

    def _wait(self, deadline: float) -> set[int]:
        """Wait until a pipe can be used; gives those that can."""
        left = deadline - time.monotonic()
        ready = {key.fd for key, _ in self._selector.select(left)} if left > 0 else set()
        if not ready:
            raise _Late
        if self._stderr in ready and not self._drain_stderr():
            self._selector.unregister(self._stderr)
        if self._stdin not in ready and self._stdin in self._selector.get_map() and self._stdout in ready:
            # While we still write, the only thing to read is the end.
            raise _Died
        return ready

    def _drain_stderr(self) -> bool:
        """Keep the last of what the child says for the log; False at the end of it."""
        try:
            words = os.read(self._stderr, _PIPE_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.last_words = (self.last_words + words.decode(errors="replace"))[-_LAST_WORDS:]
        return bool(words)


def _ending(status: int | None) -> str:
    """Say how a process ended."""
    if status is None:
        return "it is still running"
    if status >= 0:
        return f"exit status {status}"
    name = signal.Signals(-status).name
    hint = ", out of memory unless somebody killed it" if -status == signal.SIGKILL else ""
    return message_of(f"{name}{hint}")
