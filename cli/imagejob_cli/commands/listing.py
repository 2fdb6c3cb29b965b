"""`imagejob list`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from imagejob.job import ImageJob
from imagejob_cli import options, terminal
from imagejob_cli.deletion import deletion
from imagejob_cli.session import connect, now
from imagejob_operator.api.phase import Phase

if TYPE_CHECKING:
    from rich.text import Text

ENDED_WELL = ("Succeeded", "Progressing")


def list_jobs(
    namespace: options.Namespace = None,
    everywhere: Annotated[
        bool, typer.Option("-A", "--all-namespaces", help="ImageJobs of all namespaces.")
    ] = False,
    phase: Annotated[
        Phase | None,
        typer.Option("--phase", metavar="PHASE", help="Only those in a phase, such as Failed."),
    ] = None,
    labels: Annotated[str, typer.Option("-l", "--selector", help="Only those with labels: team=shop.")] = "",
    form: options.Form = options.Output.TABLE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """List ImageJobs with their phase, their progress, and why they wait or failed."""
    session = connect(namespace, context, kubeconfig)
    jobs = session.client.list(all_namespaces=everywhere, phase=phase.value if phase else "", labels=labels)
    if form is not options.Output.TABLE:
        terminal.show_documents((job.body for job in jobs), form, as_list=True)
    elif not jobs:
        where = "any namespace" if everywhere else f"namespace {session.client.namespace!r}"
        terminal.warn(f"No ImageJobs found in {where}.")
    else:
        headings = ["NAME", "PHASE", "ITEMS", "FAILED", "AGE", "TOOK", "WHY"]
        rows = [_row(job, everywhere) for job in jobs]
        if everywhere:
            headings.insert(0, "NAMESPACE")
        terminal.show(terminal.columns(rows, headings, cut_last=True))
    return 0


def _row(job: ImageJob, everywhere: bool) -> list[str | Text]:
    created = job.body["metadata"].get("creationTimestamp")
    age = terminal.short(now() - datetime.fromisoformat(created)) if created else ""
    failed = str(job.items.failed) if job.items.failed else ""
    where: list[str | Text] = [job.namespace] if everywhere else []
    style = terminal.STYLES.get(job.run.outcome, "")
    phase = terminal.styled(job.phase, style)
    failures = terminal.styled(failed, "red")
    return [*where, job.name, phase, job.status.progress, failures, age, job.run.duration, why(job)]


def why(job: ImageJob) -> str:
    """What its deletion waits for, the error of a job, or what it waits for, in one line."""
    if deleted := deletion(job, now()):
        return "; ".join(filter(None, [deleted, job.unserved(now())]))
    if error := job.error:
        return f"{error.code} {error.reason}: {error.message}"
    if text := job.unserved(now()):
        return text
    ready = job.condition("Ready")
    if ready is None:
        return ""
    reason = "" if ready.reason in (*ENDED_WELL, job.phase) else ready.reason
    return ": ".join(filter(None, [reason, job.waits_for]))
