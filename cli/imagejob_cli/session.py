"""What a command works with: a client, and the words that lead to the same cluster again."""

from __future__ import annotations

import os
import shlex
import sys
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from imagejob.client import Client
from imagejob.errors import ImageJobError

PLUGIN = "kubectl-imagejob"


def program() -> str:
    """What the user typed: `imagejob`, or `kubectl imagejob` if kubectl started it as a plug-in."""
    return "kubectl imagejob" if os.path.basename(sys.argv[0]) == PLUGIN else "imagejob"


def now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)  # noqa: TID251  (the command line has no other clock)


@dataclass(frozen=True, slots=True)
class Session:
    """A client with the namespace of the command, and the options that the user gave."""

    client: Client
    options: tuple[str, ...] = ()

    def within(self, namespace: str) -> Session:
        """The same in another namespace, such as one that a manifest names."""
        if namespace == self.client.namespace:
            return self
        cluster = self.of_the_cluster().options
        return Session(Client(self.client.transport, namespace), ("-n", namespace, *cluster))

    def command(self, *words: str) -> str:
        """A command of this program for the same cluster and namespace, to be copied."""
        return shlex.join([*program().split(), *words, *self.options])

    def kubectl(self, *words: str) -> str:
        """A command of kubectl for the same cluster and namespace, to be copied."""
        return shlex.join(["kubectl", *words, *self.options])

    def of_the_cluster(self) -> Session:
        """The same without a namespace, for commands that name one themselves or need none."""
        options = iter(self.options)
        pairs = [(option, next(options)) for option in options]
        return Session(self.client, tuple(word for pair in pairs if pair[0] != "-n" for word in pair))

    def text(self, error: ImageJobError) -> str:
        """The message of an error, with the command that it suggests for the same cluster and namespace."""
        suggestion = error.suggestion
        if suggestion is None:
            return str(error)
        at = self.within(suggestion.namespace) if suggestion.namespace else self
        made = at.command if suggestion.program == "imagejob" else at.kubectl
        return str(error).replace(str(suggestion), made(*suggestion.words))


_LAST: ContextVar[Session | None] = ContextVar("session", default=None)


def forget() -> None:
    """Begin a new command, which has not connected yet."""
    _LAST.set(None)


def message(error: ImageJobError) -> str:
    """The message of an error, with what it suggests as the user has to type it."""
    session = _LAST.get()
    return session.text(error) if session else str(error)


def connect(namespace: str | None, context: str | None, kubeconfig: str | None) -> Session:
    """Connect to the cluster that the options choose; raises Unreachable."""
    client = Client.connect(kubeconfig_file=kubeconfig, context=context, namespace=namespace)
    named = (("-n", namespace), ("--context", context), ("--kubeconfig", kubeconfig))
    session = Session(client, tuple(word for flag, value in named if value for word in (flag, value)))
    _LAST.set(session)
    return session
