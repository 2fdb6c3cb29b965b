"""`imagejob status`."""

from __future__ import annotations

from imagejob_cli import options, terminal
from imagejob_cli.description import describe
from imagejob_cli.exits import of_job
from imagejob_cli.session import connect


def status(
    name: options.Name,
    namespace: options.Namespace = None,
    form: options.Form = options.Output.TABLE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Show a job: its phases with durations, why it failed and what to do, its Pods, and the next command.

    Exit code 1 if its run has failed or was cancelled.
    """
    session = connect(namespace, context, kubeconfig)
    job = session.client.get(name)
    if form is options.Output.TABLE:
        describe(session, job)
    else:
        terminal.show_documents([job.body], form, as_list=False)
    return of_job(job)
