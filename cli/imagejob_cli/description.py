"""A job as `imagejob status` prints it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from imagejob.catalogue import ITEMS, Explanation, explain_failure, explain_wait
from imagejob.client import CONTAINER
from imagejob.errors import ImageJobError
from imagejob.gitops import managed_by
from imagejob.job import ImageJob
from imagejob_cli.advice import advice
from imagejob_cli.deletion import HANGS, deletion, hangs
from imagejob_cli.session import Session, now
from imagejob_cli.terminal import clock, columns, counted, short, show, size, styled
from imagejob_cli.timeline import State, timeline

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Rows = list[list["str | Text"]]

_STATE_STYLES = {State.DONE: "green", State.ACTIVE: "cyan", State.FAILED: "red"}
_PODS_FIRST = {"Failed": 0, "Unknown": 1, "Pending": 2, "Running": 3, "Terminating": 4}
MOST_PODS = 10
"""Pods that are shown; those with problems come first."""
_SHOWN_ELSEWHERE = {"Finished", "Succeeded", "Accepted", "Staged", "Launched", "Processed"}


def describe(session: Session, job: ImageJob) -> None:
    """Print all about a job."""
    show(
        *_heading(job),
        *_section("", _steps(job)),
        *error_section(job),
        *_waiting_section(job),
        *_section("FAILED ITEMS", failed_items(job)),
        *_section("CONDITIONS", _conditions(job)),
        *_section("PODS", _pods(session, job)),
        *_section("NEXT", _next(session, job)),
    )


def summary(session: Session, job: ImageJob, *, advise: bool = True) -> None:
    """Print how a run has ended: one line for a success, the error and the next command for a failure."""
    show(
        next(_heading(job)),
        *error_section(job),
        *_section("FAILED ITEMS", failed_items(job)),
        *_section("NEXT", _next(session, job) if advise else []),
    )


def _heading(job: ImageJob) -> Iterator[RenderableType]:
    run = job.run
    line = styled(f"{job.namespace}/{job.name}", "bold")
    line.append("  ").append_text(styled(run.outcome or job.phase))
    took = run.duration or (short(now() - run.started_at) if run.started_at else "")
    name = f" ({run.id})" if run.id not in ("", str(run.number)) else ""
    number = f"run {run.number}{name}" if run.number else ""
    line.append_text(styled("  " + ", ".join(filter(None, [number, took, items_text(job)]))))
    yield line
    if deleted := deletion(job, now()):
        yield styled(deleted, "bold yellow")
    if unserved := job.unserved(now()):
        yield styled(unserved, "yellow")
    if hangs(job, now()):
        yield styled(f"runbook {HANGS}", "yellow")
    if job.finished and job.spec.get("suspend"):
        yield styled("spec.suspend is true: a new run does not start until the job is resumed", "yellow")
    if owner := managed_by(job.body):
        yield styled(f"managed by {owner}", "dim")
    if job.status.report and job.finished:
        yield styled(f"report in the store: {job.status.report}", "dim")


def items_text(job: ImageJob) -> str:
    """The items by result, and what was published."""
    items, outputs = job.items, job.status.outputs
    if not items.total:
        return ""
    results = ((items.succeeded, "succeeded"), (items.failed, "failed"), (items.skipped, "skipped"))
    by_result = ", ".join(f"{count} {result}" for count, result in results if count)
    published = (
        f"; {counted(outputs.objects, 'output')}, {size(outputs.bytes)}"
        if outputs and outputs.objects
        else ""
    )
    return counted(items.total, "item") + (f": {by_result}" if by_result else "") + published


def _section(title: str, rows: Rows) -> Iterator[RenderableType]:
    if rows:
        yield styled("")
        if title:
            yield styled(title, "bold")
        yield columns([["", *row] for row in rows])


def _steps(job: ImageJob) -> Rows:
    rows: Rows = []
    for step in timeline(job):
        mark = styled(step.state.value, _STATE_STYLES[step.state])
        rows.append([mark, step.phase, clock(step.since), short(step.duration(now())), step.note])
    return rows


def error_section(job: ImageJob) -> Iterator[RenderableType]:
    """The error of a run with its evidence, its meaning and its remedy; empty if there is none."""
    error = job.error
    if error is None:
        return
    entry = explain_failure(error.code, error.reason)
    known = entry or Explanation("", "", fault=error.fault, retriable=error.retriable, runbook=error.runbook)
    rows: Rows = [[styled(name, "dim"), text] for name, text in [("evidence", error.message), *facts(known)]]
    yield styled("")
    yield styled(f"{error.code} {error.reason}", "bold red")
    yield columns([["", *row] for row in rows])


def _waiting_section(job: ImageJob) -> Iterator[RenderableType]:
    """What a run waits for, if it would fail with that at a deadline; empty if it makes progress or ends."""
    waiting = job.condition("Reconciling")
    waits = not (job.error or job.deleted_at)
    entry = explain_wait(job.phase, waiting.reason) if waiting and waits else None
    if waiting is None or entry is None:
        return
    rows: Rows = [["evidence", waiting.message], ["remedy", entry.remedy.replace("`", "")]]
    rows.append(["fault", entry.fault])
    rows.append(["runbook", entry.runbook])
    yield styled("")
    yield styled(f"WAITING {waiting.reason}", "bold yellow")
    yield columns([["", styled(str(name), "dim"), text] for name, text in rows])


def facts(entry: Explanation) -> list[tuple[str, str]]:
    """What the catalogue has on an error, with a name for each part."""
    found = [
        ("meaning", entry.meaning.replace("`", "")),
        ("remedy", entry.remedy.replace("`", "")),
        ("fault", "; ".join(filter(None, [entry.fault, entry.new_run]))),
        ("runbook", entry.runbook),
    ]
    return [(name, text) for name, text in found if text]


def failed_items(job: ImageJob) -> Rows:
    """The failed items that the status names, and how many it does not."""
    rows: Rows = []
    for failed in job.failures:
        item = ITEMS.get(failed.code)
        name = f"{failed.code} {item.name}" if item else failed.code
        rows.append([styled(name, "red"), failed.item, failed.message])
    more = job.items.failed - len(job.failures)
    if rows and more > 0:
        rows.append([f"and {more} more", "", "the report lists all of them"])
    return rows


def _conditions(job: ImageJob) -> Rows:
    waiting = job.condition("Reconciling")
    explained = waiting is not None and explain_wait(job.phase, waiting.reason) is not None
    hidden = _SHOWN_ELSEWHERE | ({"Ready", "Stalled"} if job.error else set())
    hidden |= {"Ready", "Reconciling"} if explained else set()
    return [[c.type, c.status, c.reason, c.message] for c in job.status.conditions if c.type not in hidden]


def _pods(session: Session, job: ImageJob) -> Rows:
    try:
        pods = session.client.pods(job.name, job.namespace)
    except ImageJobError:
        return []  # a user may be allowed to read ImageJobs and not Pods
    ranked = sorted(pods, key=lambda pod: _PODS_FIRST.get(pod_phase(pod), 9))
    rows = [_pod(pod) for pod in ranked[:MOST_PODS]]
    more = len(pods) - len(rows)
    return [*rows, [f"and {more} more", "", "", ""]] if more else rows


def _pod(pod: Mapping[str, Any]) -> list[str | Text]:
    status = pod.get("status") or {}
    where = (pod.get("spec") or {}).get("nodeName") or ""
    return [pod["metadata"]["name"], pod_phase(pod), where, _pod_detail(status)]


def pod_phase(pod: Mapping[str, Any]) -> str:
    """The phase of a Pod; that of its container if it has ended, which the kubelet reports first."""
    status = pod.get("status") or {}
    phase = str(status.get("phase") or "")
    if phase in ("Succeeded", "Failed"):
        return phase
    kind, state = _container_state(status)
    if kind == "terminated":
        return "Failed" if state.get("exitCode") else "Succeeded"
    return "Terminating" if pod["metadata"].get("deletionTimestamp") else phase


def _container_state(status: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Of the container with the processor: its state, and what is known of it; empty before it exists."""
    found = [one for one in status.get("containerStatuses") or [] if one.get("name") == CONTAINER]
    states: Mapping[str, Mapping[str, Any]] = (found[0].get("state") or {}) if found else {}
    return next(iter(states.items()), ("", {}))


def _pod_detail(status: Mapping[str, Any]) -> str:
    """Why a Pod waits, or how its container has ended."""
    kind, state = _container_state(status)
    reason = ": ".join(filter(None, [state.get("reason"), state.get("message")]))
    if kind == "terminated":
        # The message of a Pod that succeeded has counts for the operator.
        return (
            f"exit code {state['exitCode']}, {reason}" if state.get("exitCode") else str(state.get("reason"))
        )
    unready = [c for c in status.get("conditions") or [] if c.get("status") == "False" and c.get("message")]
    if not reason and status.get("phase") == "Pending" and unready:
        return f"{unready[0].get('reason', '')}: {unready[0]['message']}"
    return reason


def _next(session: Session, job: ImageJob) -> Rows:
    return [[styled(command, "cyan"), styled(f"# {why}", "dim")] for command, why in advice(session, job)]
