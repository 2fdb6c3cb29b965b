"""`imagejob uninstall`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from imagejob.errors import Invalid
from imagejob.operator_settings import NAMESPACE
from imagejob_cli import options, terminal
from imagejob_cli.exits import INTERRUPTED
from imagejob_cli.session import connect
from imagejob_cli.uninstalling import Plan, delete_jobs, delete_objects, make_plan

MOST_JOBS = 10
"""ImageJobs that are named before the question."""


def uninstall(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    force: Annotated[
        bool,
        typer.Option("--force", help="Without an operator, remove the finalizers; staged objects stay."),
    ] = False,
    timeout: options.Timeout = 300,
    operator_namespace: options.OperatorNamespace = NAMESPACE,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
) -> int:
    """Delete all ImageJobs, then the CRDs, then the operator, and wait for each.

    Outputs and reports in the bucket stay. It asks first.
    """
    session = connect(None, context, kubeconfig)
    client = session.client
    plan = make_plan(client, operator_namespace, session.options)
    if not (plan.jobs or plan.crds or plan.rest):
        terminal.write(f"nothing is installed in namespace {operator_namespace!r}, and there are no CRDs")
        return 0
    _show(plan)
    if dry_run:
        return 0
    if not yes and not _confirmed():
        terminal.warn("nothing was deleted")
        return INTERRUPTED
    delete_jobs(client, plan, timeout, force)
    terminal.write(f"{terminal.counted(len(plan.jobs), 'ImageJob')} deleted")
    for part, objects in (("CRDs", plan.crds), ("operator", plan.rest)):
        if objects:
            delete_objects(client, objects, timeout)
            terminal.write(f"{part} deleted")
    if plan.by_hand:
        terminal.write(f"the operator is a release of Helm: {plan.by_hand}")
    return 0


def _show(plan: Plan) -> None:
    terminal.write("This deletes, in this order:")
    for job in plan.jobs[:MOST_JOBS]:
        terminal.write(f"  imagejob {job.namespace}/{job.name}  {job.phase}")
    if more := plan.jobs[MOST_JOBS:]:
        terminal.write(f"  and {terminal.counted(len(more), 'more ImageJob')}")
    for one in (*plan.crds, *plan.rest):
        terminal.write(f"  {one}")


def _confirmed() -> bool:
    if not sys.stdin.isatty():
        raise Invalid(
            "standard input is no terminal, so it cannot ask; add --yes to delete all of this, or --dry-run"
        )
    return typer.confirm("Delete all of this?")
