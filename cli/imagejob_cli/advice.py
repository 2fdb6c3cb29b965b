"""The next command to type."""

from __future__ import annotations

import json

from imagejob.client import retry_change
from imagejob.errors import Conflict
from imagejob.gitops import managed_by
from imagejob.job import ImageJob
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
    error, found = job.error, []
    if managed_by(job.body):
        found.append((session.command("retry", job.name), "print the change for Git that starts a new run"))
    elif error is None or error.retriable or error.code == "JOB_008":
        found.append((session.command("retry", job.name), "start a new run"))
    else:
        number = _next_run(job)["spec"]["run"]["id"]
        edit = session.kubectl("edit", "imagejob", job.name)
        found.append((edit, f'correct it, and set spec.run.id to "{number}" in the same edit'))
    if error and error.reason in PODS_KEPT:
        found.append((session.command("logs", job.name), "what the Pods wrote before they failed"))
    return found


def _next_run(job: ImageJob) -> dict[str, dict[str, dict[str, str]]]:
    try:
        change = retry_change(job)
    except Conflict:
        change = {"spec": {"run": {"id": "2"}}}
    return {"spec": {"run": {"id": change["spec"]["run"]["id"]}}}


def _patch(session: Session, job: ImageJob, change: dict[str, dict[str, dict[str, str]]]) -> str:
    return session.kubectl("patch", "imagejob", job.name, "--type=merge", "-p", json.dumps(change))
