"""Makes the trace of a run that has ended: the run, its phases, its Pods, and what the Pods measured.

Times of phases come from the status, which has seconds. Times of Pods are by the clocks of their nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from imagejob_contract.result import PodSpan, Summary, Work
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.status import ItemCounts, OutputCounts, RunStatus, Status
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.decision.observation import Observation
from imagejob_operator.documents.run_trace import Attribute, PodTrace, Span, Trace, span_id, trace_id

MOST_PODS = 1000
"""Pods of one trace. Of more, those that failed come first."""
SECOND = timedelta(seconds=1)
"""What a time in the status of a Pod may be too early, because it has no fraction."""
COUNTED = {Work.ORDER: "orders", Work.FETCH: "sources", Work.PROCESS: "images", Work.STORE: "outputs"}
"""What a Pod span counts."""


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, with what was known of it just before."""

    job: ImageJob
    """With the status that shows the end."""
    before: Status
    pods: tuple[Attempt, ...]
    ended_at: datetime


def ended_run(o: Observation, job: ImageJob) -> EndedRun | None:
    """What a trace needs of a job that was observed, and then moved to a phase; None if that is no end."""
    run = job.status.run
    if run is None or job.status.at not in TERMINAL:
        return None
    own = (a for a in o.attempts if (a.run, a.run_uid) == (run.number, run.uid))
    failed_first = sorted(own, key=lambda a: (a.state is not State.FAILED, a.shard, a.number))
    return EndedRun(job, o.job.status, tuple(failed_first[:MOST_PODS]), o.now)


def run_trace(ended: EndedRun) -> Trace:
    """The trace of a run."""
    job, run = ended.job, ended.job.status.run or RunStatus()
    trace = trace_id(job.uid, run.number)
    root, status = span_id(trace, "run"), job.status
    failed = status.error.message if status.error and status.at is Phase.FAILED else None
    start = min(run.started_at or ended.ended_at, ended.ended_at)
    whole = Span(root, b"", "run", start, ended.ended_at, dict(_described(ended)), failed)
    phases = _phase_spans(ended, trace, root, start)
    pods = tuple(_pod_trace(ended, pod, trace, root) for pod in ended.pods)
    return Trace(trace, (whole, *phases), pods)


def _described(ended: EndedRun) -> Iterator[tuple[str, Attribute]]:
    """The attributes of a run; those that are not known are left out."""
    job, status = ended.job, ended.job.status
    run, items, outputs = status.run or RunStatus(), status.items, status.outputs or OutputCounts()
    yield "k8s.namespace.name", job.key.namespace
    yield "imagejob.name", job.key.name
    yield "imagejob.uid", job.uid
    yield "imagejob.run.id", run.id
    yield "imagejob.run.number", run.number
    yield "imagejob.phase", status.phase
    yield "imagejob.pods", len(ended.pods)
    if run.outcome:
        yield "imagejob.outcome", run.outcome
    if error := status.error:
        yield "imagejob.reason", error.reason
        if status.at is Phase.FAILED:
            yield "error.type", error.code
    if items is not None:
        yield from _counts(items)
    if codes := dict.fromkeys(failed.code for failed in status.failures):
        yield "imagejob.items.codes", tuple(codes)
    if outputs.objects:
        yield "imagejob.outputs.objects", outputs.objects
        yield "imagejob.outputs.bytes", outputs.bytes
    if status.report:
        yield "imagejob.report", status.report
    if run.queued_seconds:
        yield "imagejob.queued_seconds", run.queued_seconds
    if run.suspended_seconds:
        yield "imagejob.suspended_seconds", run.suspended_seconds


def _counts(items: ItemCounts) -> Iterator[tuple[str, Attribute]]:
    for name in ("total", "succeeded", "failed", "skipped"):
        yield f"imagejob.items.{name}", getattr(items, name)


# --- phases ------------------------------------------------------------------------------------------------


class _Begun(NamedTuple):
    phase: str
    at: datetime


def _phase_spans(ended: EndedRun, trace: bytes, root: bytes, start: datetime) -> Iterator[Span]:
    """The phases of the run one after the other; the one in which it failed has the error."""
    begun, cleaning = [*_forward(ended, start)], _compensation(ended)
    failed_in = begun[-1].phase if begun and ended.job.status.at is Phase.FAILED else ""
    if cleaning:
        begun.append(_Begun("cleaning", cleaning))
    end = ended.ended_at
    spans = []
    for phase, at in reversed(begun):
        since = min(max(at, start), end)
        error = ended.job.status.error if phase == failed_in else None
        attributes = {"error.type": error.code} if error else {}
        message = error.message if error else None
        spans.append(Span(span_id(trace, phase), root, phase, since, end, attributes, message))
        end = since
    yield from reversed(spans)


def _forward(ended: EndedRun, start: datetime) -> Iterator[_Begun]:
    """When each phase began that the run has reached. A suspended run has only those since it was resumed."""
    status, before = ended.job.status, ended.before
    run = status.run or RunStatus()
    if run.epoch == 0:
        return  # refused before it started
    if before.at is Phase.VALIDATING:
        yield _Begun("validating", start)
        return
    if run.epoch == 1 and before.staging is not None:
        yield _Begun("staging", start)
    pods = run.shards is not None and run.shards.total > 0
    milestones = {"Staged": "launching", "Launched": "processing"} if pods else {}
    for kind, phase in {**milestones, "Processed": "publishing"}.items():
        reached = status.condition(kind)
        if reached and reached.status == "True":
            yield _Begun(phase, reached.last_transition_time)


def _compensation(ended: EndedRun) -> datetime | None:
    """When the operator began to clean up after a failure or a cancellation."""
    return ended.before.phase_since if ended.before.at in COMPENSATING else None


# --- Pods --------------------------------------------------------------------------------------------------


def _pod_trace(ended: EndedRun, pod: Attempt, trace: bytes, root: bytes) -> PodTrace:
    """The span of a Pod, with its start and what it measured inside."""
    identity = span_id(trace, pod.uid)
    summary = pod.summary or Summary()
    measured = [*_measured(pod, summary, trace, identity)]
    end = max([_end(ended, pod), *(span.end for span in measured)])
    problem = pod.problem if pod.state is State.FAILED and not _stopped(ended, pod) else None
    attributes: dict[str, Attribute] = {
        "imagejob.shard": pod.shard,
        "imagejob.attempt": pod.number,
        "imagejob.state": pod.state.value,
    }
    if pod.summary:
        attributes |= {
            "imagejob.items.succeeded": summary.succeeded,
            "imagejob.items.failed": summary.failed,
        }
    if problem:
        attributes["error.type"] = problem.reason.value
    error = problem.message if problem else None
    whole = Span(identity, root, "pod", min(pod.created_at, end), end, attributes, error)
    spans = [whole]
    if pod.started_at and pod.started_at > pod.created_at:
        path = f"{pod.uid}/start"
        spans.append(Span(span_id(trace, path), identity, "start", pod.created_at, pod.started_at))
    resource = {
        "k8s.namespace.name": ended.job.key.namespace,
        "k8s.pod.name": pod.name,
        "k8s.pod.uid": pod.uid,
        "k8s.container.name": "processor",
    }
    return PodTrace(resource, (*spans, *measured))


def _end(ended: EndedRun, pod: Attempt) -> datetime:
    """The end of a Pod; the end of the run if it is not known, or to come, as that of a deletion."""
    end = pod.finished_at or ended.ended_at
    return min(end, ended.ended_at) if pod.deleting else end


def _stopped(ended: EndedRun, pod: Attempt) -> bool:
    """Whether the operator deleted the Pod because the run was suspended, cancelled, or failed without it."""
    if not pod.gone or pod.problem is None or pod.problem.counted:
        return False
    run, cleaning = ended.job.status.run, _compensation(ended)
    suspended = run is not None and pod.epoch < run.epoch
    return suspended or (cleaning is not None and (pod.finished_at or cleaning) >= cleaning)


def _measured(pod: Attempt, summary: Summary, trace: bytes, parent: bytes) -> Iterator[Span]:
    """What a Pod measured, within the time that its node reports: a Pod is not trusted."""
    if pod.started_at is None or pod.finished_at is None:
        return
    first, last = pod.started_at, max(pod.started_at, pod.finished_at + SECOND)
    for one in summary.spans:
        start = min(max(_moment(one.start, last), first), last)
        end = min(start + timedelta(milliseconds=min(one.length, 10**12)), last)
        identity = span_id(trace, f"{pod.uid}/{one.work}")
        yield Span(identity, parent, one.work.value, start, end, dict(_work(one)))


def _moment(milliseconds: int, latest: datetime) -> datetime:
    limit = int(latest.timestamp() * 1000)
    return datetime.fromtimestamp(min(milliseconds, limit) / 1000, UTC)


def _work(one: PodSpan) -> Iterator[tuple[str, Attribute]]:
    yield f"imagejob.{COUNTED[one.work]}", one.count
    yield "imagejob.busy_ms", one.busy
