"""The next command to type."""

from __future__ import annotations

import json

from imagejob.catalogue import explain_failure
from imagejob.client import retry_change
from imagejob.errors import Conflict
from imagejob.gitops import managed_by
from imagejob.job import ImageJob
from imagejob.remedies import Fix
from imagejob_cli.deletion import waits_for_operator
from imagejob_cli.session import Session, now

Advice = tuple[str, str]
"""A command, and what it does."""

PODS_KEPT = ("OutOfMemory", "Crashed", "StoreUnreachable")
"""Reasons of runs whose last failed Pods are kept."""


def advice(session: Session, job: ImageJob) -> list[Advice]:
    """Commands that help with a job in its state, the most likely one first."""
    name = job.name
    if job.unserved(now()):
        return [(session.command("doctor"), "find out which operator is missing")]
    if job.deleted_at:
        check = (session.command("doctor"), "check the operator, which ends the deletion")
        return [check] if waits_for_operator(job) else []
    if job.phase == "Suspended":
        return [(session.command("resume", name), "start it again from its first item")]
    if not job.finished:
        watch = (session.command("watch", name), "follow it to its end")
        return [
            watch,
            *([(session.command("logs", name), "what the Pods write")] if job.phase == "Running" else []),
        ]
    if job.succeeded:
        return _after_success(session, job)
    return _after_failure(session, job)


def _after_success(session: Session, job: ImageJob) -> list[Advice]:
    shown = [(session.command("results", job.name, "--open"), "see the images in the browser")]
    if job.status.outputs and not job.status.outputs.objects:
        shown = [(session.command("results", job.name), "see all failures")]
    if job.run.outcome == "SucceededWithFailures":
        return [
            (session.command("retry", job.name, "--failed"), "process only the failed items again"),
            *shown,
        ]
    if job.run.outcome == "Validated":
        change = _next_run(job)
        change["spec"]["run"]["mode"] = "Run"
        return [(_patch(session, job, change), "start the run that was validated")]
    return shown if job.status.report else []


def _after_failure(session: Session, job: ImageJob) -> list[Advice]:
    error, found = job.error, _new_run(session, job)
    if error and error.reason in PODS_KEPT:
        found.append((session.command("logs", job.name), "what the Pods wrote before they failed"))
    return found


def _new_run(session: Session, job: ImageJob) -> list[Advice]:
    """How to start a new run: as it is, after what has to change elsewhere, or with a change of the spec."""
    error = job.error
    known = explain_failure(error.code, error.reason) if error else None
    retriable = error is None or error.retriable
    fix = known.fix if known else Fix.NOTHING if retriable else Fix.SPEC
    again = retriable or fix is Fix.NOTHING
    if managed_by(job.body):
        git = "print the change for Git that starts a new run"
        more = "; correct the spec there, too" if fix is Fix.SPEC else ""
        return [(session.command("retry", job.name), git + more)]
    found = []
    if again or fix is not Fix.SPEC:
        first = "" if again or not known else f"first {known.before_retry}; then this starts a new run"
        found.append((session.command("retry", job.name), first or "start a new run"))
    if fix in (Fix.SPEC, Fix.EITHER):
        number = _next_run(job)["spec"]["run"]["id"]
        how = f'correct the spec, and set spec.run.id to "{number}" in the same edit'
        edit = session.kubectl("edit", "imagejob", job.name)
        found.append((edit, f"or {how}" if found else how))
    return found


def _next_run(job: ImageJob) -> dict[str, dict[str, dict[str, str]]]:
    try:
        change = retry_change(job)
    except Conflict:
        change = {"spec": {"run": {"id": "2"}}}
    return {"spec": {"run": {"id": change["spec"]["run"]["id"]}}}


def _patch(session: Session, job: ImageJob, change: dict[str, dict[str, dict[str, str]]]) -> str:
    return session.kubectl("patch", "imagejob", job.name, "--type=merge", "-p", json.dumps(change))
