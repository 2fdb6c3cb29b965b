"""`imagejob cancel`, `suspend`, `resume` and `retry`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from imagejob.client import HOUR, cancel_change, retry_change, suspend_change
from imagejob.job import ImageJob
from imagejob_cli import options
from imagejob_cli.guard import Change, apply_change
from imagejob_cli.session import connect
from imagejob_cli.watching import Follow, follow

Command = Callable[..., int]


def _verb(make: Callable[[ImageJob], Change], done: str, help_text: str) -> Command:
    """A command that makes one change to a job; `done` is what it prints then."""

    def command(
        name: options.Name,
        namespace: options.Namespace = None,
        force: options.Force = False,
        context: options.Context = None,
        kubeconfig: options.Kubeconfig = None,
    ) -> int:
        return apply_change(connect(namespace, context, kubeconfig), name, make, force, done)

    command.__doc__ = help_text
    return command


cancel = _verb(
    cancel_change,
    "cancelled",
    "Cancel the active run: its Pods and its staging are deleted, and it ends as Cancelled.",
)
suspend = _verb(
    lambda job: suspend_change(True),
    "suspended",
    "Suspend a job: its Pods and its staging are deleted, and no deadline counts.",
)
resume = _verb(
    lambda job: suspend_change(False), "resumed", "Start a suspended run again, from its first item."
)


def retry(
    name: options.Name,
    failed: Annotated[
        bool, typer.Option("--failed", help="Process only what the previous run did not publish.")
    ] = False,
    run_id: Annotated[
        str, typer.Option("--run-id", metavar="ID", help="The run.id of the new run.  [default: its number]")
    ] = "",
    wait: options.Wait = False,
    watch: options.Watch = False,
    timeout: options.Timeout = HOUR,
    namespace: options.Namespace = None,
    force: options.Force = False,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Start a new run of a job that has finished."""
    session = connect(namespace, context, kubeconfig)
    code = apply_change(session, name, lambda job: retry_change(job, failed, run_id), force, "retried")
    if code or not (wait or watch):
        return code
    return follow(session, name, timeout, Follow.LIVE if watch else Follow.QUIET)
