"""What a command works with: a client, and the words that lead to the same cluster again."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime

from imagejob.client import Client

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
        return Session(Client(self.client.transport, namespace), ("-n", namespace, *self.options))

    def command(self, *words: str) -> str:
        """A command of this program for the same cluster and namespace, to be copied."""
        return shlex.join([*program().split(), *words, *self.options])

    def kubectl(self, *words: str) -> str:
        """A command of kubectl for the same cluster and namespace, to be copied."""
        return shlex.join(["kubectl", *words, *self.options])


def connect(namespace: str | None, context: str | None, kubeconfig: str | None) -> Session:
    """Connect to the cluster that the options choose; raises Unreachable."""
    client = Client.connect(kubeconfig_file=kubeconfig, context=context, namespace=namespace)
    named = (("-n", namespace), ("--context", context), ("--kubeconfig", kubeconfig))
    return Session(client, tuple(word for flag, value in named if value for word in (flag, value)))
