"""One operator as the world sees it: a connected child process."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import Pipe
from typing import Any

from chaos.link import Answer, Ask, Broke, Call, Go, Wish
from chaos.living import Setup, be_born
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.decision.attempt import Attempt

Listing = tuple[list[ImageJob], list[tuple[str, Attempt]]]


class Process:
    """One operator as the world sees it."""

    def __init__(self, setup: Setup, begun: Go) -> None:
        self.name = setup.name
        self.connection, theirs = Pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self.connection.close()
            be_born(theirs, setup, begun)
        theirs.close()
        self.calls: deque[Call] = deque()
        self.events: deque[tuple[Any, ...]] = deque()
        self.wake_at: float | None = None
        self.waits = False
        self.lives = True
        self.frozen = False
        self.listing: Listing | None = None
        """What a listing returns, if that is not what exists."""

    def send(self, go: Go) -> None:
        self.waits = False
        self.connection.send(go)

    def receive(self, answer: Callable[[Call], Answer]) -> bool:
        """Receive its messages until it is idle; False if it has ended."""
        while not self.waits and self.lives:
            try:
                message = self.connection.recv()
            except (EOFError, ConnectionResetError):
                self.reap()
                break
            match message:
                case Ask(call) if self.listing and call.method in ("jobs", "attempts"):
                    self.connection.send(Answer(call.number, self.listing[call.method == "attempts"]))
                case Ask(call):
                    self.connection.send(answer(call))
                case Wish(calls, wake_at):
                    self.calls.extend(calls)
                    self.wake_at = wake_at
                    self.waits = True
                case Broke(text):
                    self.reap()
                    raise AssertionError(f"the operator broke:\n{text}")
        return self.lives

    def kill(self, go: Go) -> None:
        self.connection.send(replace(go, die=True))
        self.reap()

    def reap(self) -> None:
        self.lives = False
        self.connection.close()
        os.waitpid(self.pid, 0)
