"""A deadline for what a thread does on the network: each wait on a socket ends by it.

Timeouts of sockets are for one receive. A server that sends a byte now and then never exceeds them.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

CALL = 15.0
"""Seconds of one call with its retries, and the longest wait for a byte."""
PACE = 1024 * 1024
"""Each so many bytes that are sent or received extend the deadline by a second."""
COPY_PACE = 16 * 1024 * 1024
"""A copy inside the store has a second more for each so many bytes."""
SLOW_PACE = 128 * 1024
"""The same for an object that passes through this process: there may be many at the same time."""

_thread = threading.local()


class DeadlineExceeded(TimeoutError):
    """The call has used up its time."""


@contextmanager
def deadline(more: float = 0, pace: int = PACE) -> Iterator[None]:
    """Limit what this thread does on the network to CALL and so many seconds more."""
    _thread.until, _thread.pace = monotonic() + CALL + more, pace
    try:
        yield
    finally:
        del _thread.until


def time_left() -> float:
    """Seconds to the deadline of this thread; raises DeadlineExceeded if it has passed."""
    left: float = _thread.until - monotonic()
    if left <= 0:
        raise DeadlineExceeded("the deadline of the call has passed")
    return left


def _earn(transferred: int) -> int:
    """Extend the deadline for some bytes, but never beyond CALL from now."""
    earned = min(_thread.until + transferred / _thread.pace, monotonic() + CALL)
    _thread.until = max(_thread.until, earned)
    return transferred


class TimedSocket(socket.socket):
    """A socket that keeps to the deadline of the thread that uses it."""

    def recv_into(self, *args: Any) -> int:
        """See socket.socket."""
        self.settimeout(min(CALL, time_left()))
        return _earn(super().recv_into(*args))

    def send(self, *args: Any) -> int:
        """See socket.socket."""
        self.settimeout(min(CALL, time_left()))
        return _earn(super().send(*args))

    def sendall(self, data: Any, flags: int = 0) -> None:
        """See socket.socket."""
        left = memoryview(data).cast("B")
        while left:
            left = left[self.send(left, flags) :]


class TimedTLSSocket(ssl.SSLSocket):
    """The same for TLS; the standard `sendall` calls `send`."""

    def recv_into(self, *args: Any) -> int:
        """See ssl.SSLSocket."""
        self.settimeout(min(CALL, time_left()))
        return _earn(super().recv_into(*args))

    def send(self, *args: Any) -> int:
        """See ssl.SSLSocket."""
        self.settimeout(min(CALL, time_left()))
        return _earn(super().send(*args))
