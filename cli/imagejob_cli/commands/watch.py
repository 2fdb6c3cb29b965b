"""`imagejob watch`."""

from __future__ import annotations

from imagejob.client import HOUR
from imagejob_cli import options
from imagejob_cli.session import connect
from imagejob_cli.watching import Follow, follow


def watch(
    name: options.Name,
    timeout: options.Timeout = HOUR,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Follow a run until it has finished, with its pace, the time left and the items that fail.

    In a pipe, it prints one line for each change. Exit code 1 if the run has failed or was cancelled, 3 after
    the timeout.
    """
    return follow(connect(namespace, context, kubeconfig), name, timeout, Follow.LIVE)
