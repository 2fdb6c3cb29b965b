"""The trace of a run: its ids, and its spans for each way in which a run ends."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import pytest

from fakes.build import KEY, NOW, RUN_UID, attempt, job, later, seen, status
from fakes.memory_cluster import Script
from fakes.scripts import CRASHED, DISRUPTED, badly, in_turn, well
from fakes.world import World
from imagejob_contract.result import PodSpan, Summary, Work
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Condition, RunStatus, error_status
from imagejob_operator.controller.run_spans import MOST_PODS, EndedRun, ended_run, run_trace
from imagejob_operator.decision.attempt import Attempt, Problem, State
from imagejob_operator.decision.observation import Observation
from imagejob_operator.documents.run_trace import Span, Trace, span_id, trace_id


class Traced:
    """A world, and the traces of its runs."""

    def __init__(self, script: Script | None = None) -> None:
        self.world = World(script)
        self.traces: list[Trace] = []
        operator = self.world.operator
        executor = replace(operator.reconciler.executor, notify=self.moved)
        operator.reconciler = replace(operator.reconciler, executor=executor)

    def moved(self, o: Observation, moved: ImageJob) -> None:
        if ended := ended_run(o, moved):
            self.traces.append(run_trace(ended))

    @property
    def trace(self) -> Trace:
        (only,) = self.traces
        assert consistent(only)
        return only


def consistent(trace: Trace) -> bool:
    """Ids are unique, each parent exists, and no span ends before it begins."""
    spans = [*trace.spans, *(span for pod in trace.pods for span in pod.spans)]
    ids = {span.id for span in spans}
    assert len(ids) == len(spans)
    assert [span.name for span in spans if not span.parent] == ["run"]
    assert all(span.parent in ids for span in spans[1:])
    assert all(span.start <= span.end for span in spans)
    assert {len(trace.id)} == {16}
    assert {len(one) for one in ids} == {8}
    return True


def names(trace: Trace) -> list[str]:
    """The root and its phases."""
    return [span.name for span in trace.spans]


def by_name(spans: Sequence[Span], name: str) -> Span:
    (only,) = (span for span in spans if span.name == name)
    return only


def gapless(spans: Sequence[Span]) -> bool:
    """Each phase begins where the one before has ended."""
    return all(one.end == after.start for one, after in itertools.pairwise(spans))


# --- ids ---------------------------------------------------------------------------------------------------


def test_the_ids_follow_from_the_job_and_the_number_of_the_run() -> None:
    first = trace_id("0000aaaa-1111-2222-3333-444455556666", 1)
    assert first.hex() == "438de8b0ed360f3ebeaf3e58929e2821"
    assert span_id(first, "run").hex() == "f78113b4f51952dd"
    others = {trace_id("0000aaaa-1111-2222-3333-444455556666", 2), trace_id("other", 1)}
    assert len({first, *others}) == 3


# --- ends --------------------------------------------------------------------------------------------------

ONE_POD = {"itemsPerPod": 2}
PHASES = ["staging", "launching", "processing", "publishing"]


async def test_a_run_that_succeeds_has_a_span_for_itself_each_phase_and_each_pod() -> None:
    traced = Traced(well(start=3, run=20))
    traced.world.create(execution=ONE_POD)
    await traced.world.run()
    trace, run = traced.trace, traced.world.job.status.run
    assert run
    assert trace.id == trace_id(traced.world.job.uid, 1)
    assert names(trace) == ["run", *PHASES]
    root, *phases = trace.spans
    assert gapless(phases)
    assert (root.start, phases[0].start) == (run.started_at, run.started_at)
    assert root.end == phases[-1].end
    assert root.end.replace(microsecond=0) == run.finished_at
    assert by_name(phases, "processing").end - by_name(phases, "processing").start >= timedelta(seconds=20)
    assert {span.error for span in trace.spans} == {None}
    assert root.attributes == {
        "k8s.namespace.name": "shop",
        "imagejob.name": "spring",
        "imagejob.uid": traced.world.job.uid,
        "imagejob.run.id": "1",
        "imagejob.run.number": 1,
        "imagejob.phase": "Succeeded",
        "imagejob.pods": 1,
        "imagejob.items.total": 2,
        "imagejob.items.succeeded": 2,
        "imagejob.items.failed": 0,
        "imagejob.items.skipped": 0,
        "imagejob.outputs.objects": 2,
        "imagejob.outputs.bytes": traced.world.job.status.outputs.bytes,  # type: ignore[union-attr]
        "imagejob.report": traced.world.job.status.report,
    }
    (pod,) = trace.pods
    assert pod.pod["k8s.namespace.name"] == "shop"
    assert str(pod.pod["k8s.pod.name"]).startswith("spring-")
    assert [span.name for span in pod.spans] == ["pod", "start"]
    whole, start = pod.spans
    assert (whole.parent, start.parent) == (root.id, whole.id)
    assert whole.end - whole.start == timedelta(seconds=23)
    assert start.end - start.start == timedelta(seconds=3)
    assert whole.attributes == {
        "imagejob.shard": 0,
        "imagejob.attempt": 1,
        "imagejob.state": "Succeeded",
        "imagejob.items.succeeded": 2,
        "imagejob.items.failed": 0,
    }


async def test_a_source_that_is_missing_fails_the_staging() -> None:
    traced = Traced()
    traced.world.create(source={"keys": ["uploads/none.jpg"]})
    await traced.world.run()
    trace = traced.trace
    assert names(trace) == ["run", "staging", "cleaning"]
    root, staging, cleaning = trace.spans
    assert root.attributes["error.type"] == staging.attributes["error.type"] == "JOB_002"
    assert root.attributes["imagejob.reason"] == "SourceNotFound"
    assert root.error == staging.error
    assert "none.jpg" in str(root.error)
    assert (cleaning.error, cleaning.end) == (None, root.end)
    assert trace.pods == ()


async def test_a_quota_fails_the_launch() -> None:
    traced = Traced()
    traced.world.cluster.refusals[0] = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota: pods=0")
    traced.world.create(execution={**ONE_POD, "startDeadlineSeconds": 30})
    await traced.world.run()
    trace = traced.trace
    assert names(trace) == ["run", "staging", "launching", "cleaning"]
    launching = trace.spans[2]
    assert launching.attributes == {"error.type": "JOB_003"}
    assert launching.error == trace.spans[0].error
    assert "exceeded quota" in str(launching.error)
    assert [span.error for span in trace.spans if span.name in ("staging", "cleaning")] == [None, None]


async def test_pods_that_crash_are_errors_each() -> None:
    traced = Traced(badly(CRASHED))
    traced.world.create(execution={**ONE_POD, "retriesPerShard": 1})
    await traced.world.run()
    trace = traced.trace
    assert names(trace)[-1] == "cleaning"
    assert [pod.spans[0].error for pod in trace.pods] == [CRASHED.message] * 2
    assert [pod.spans[0].attributes["imagejob.attempt"] for pod in trace.pods] == [1, 2]
    assert {pod.spans[0].attributes["error.type"] for pod in trace.pods} == {CRASHED.reason.value}
    assert trace.spans[0].error


async def test_a_pod_that_was_disrupted_is_an_error_of_a_run_that_succeeds() -> None:
    traced = Traced(in_turn(badly(DISRUPTED), well()))
    traced.world.create(execution=ONE_POD)
    await traced.world.run()
    trace = traced.trace
    assert trace.spans[0].error is None
    assert [pod.spans[0].error for pod in trace.pods] == [DISRUPTED.message, None]


def test_a_run_that_fails_while_it_publishes_has_the_error_there() -> None:
    error = error_status(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, "403"))
    reached = {"Staged": 5, "Launched": 10, "Processed": 40}
    milestones = tuple(Condition(kind, "True", kind, "", later(at), 1) for kind, at in reached.items())
    failed = msgspec.structs.replace(status(Phase.FAILED), error=error, conditions=milestones)
    before = status(Phase.FAILING, since=later(50))
    trace = run_trace(EndedRun(job(failed), before, (), later(55)))
    assert consistent(trace)
    assert [(span.name, span.start, span.end) for span in trace.spans[1:]] == [
        ("staging", NOW, later(5)),
        ("launching", later(5), later(10)),
        ("processing", later(10), later(40)),
        ("publishing", later(40), later(50)),
        ("cleaning", later(50), later(55)),
    ]
    assert {span.name for span in trace.spans if span.error == "403"} == {"run", "publishing"}


async def test_items_that_fail_are_named_by_their_codes() -> None:
    traced = Traced(well(failing=["uploads/b.png"]))
    traced.world.create(failurePolicy={"maxFailedItems": 1})
    await traced.world.run()
    root = traced.trace.spans[0]
    assert root.attributes["imagejob.items.codes"] == ("IMG_001",)
    assert root.attributes["imagejob.outcome"] == "SucceededWithFailures"
    assert root.error is None


async def test_a_run_that_is_cancelled_is_no_error_and_neither_are_the_pods_that_it_stops() -> None:
    traced = Traced(well(run=1000))
    traced.world.create(execution=ONE_POD)
    await traced.world.run(until=lambda: traced.world.phase == "Running")
    traced.world.clock.advance(7)
    traced.world.cluster.edit(KEY, cancelRunID="1")
    await traced.world.run()
    trace = traced.trace
    assert names(trace) == ["run", "staging", "launching", "processing", "cleaning"]
    assert {span.error for span in trace.spans} == {None}
    assert trace.spans[0].attributes["imagejob.phase"] == "Cancelled"
    (pod,) = trace.pods
    assert pod.spans[0].error is None
    assert pod.spans[0].end <= trace.spans[0].end


async def test_several_pods_have_a_span_each() -> None:
    traced = Traced()
    traced.world.create(execution={"itemsPerPod": 1})
    await traced.world.run()
    trace = traced.trace
    assert trace.spans[0].attributes["imagejob.pods"] == 2
    assert [pod.spans[0].attributes["imagejob.shard"] for pod in trace.pods] == [0, 1]
    assert len({pod.pod["k8s.pod.uid"] for pod in trace.pods}) == 2


async def test_a_validation_has_one_phase() -> None:
    traced = Traced()
    traced.world.create(run={"mode": "Validate"})
    await traced.world.run()
    assert names(traced.trace) == ["run", "validating"]


async def test_a_run_that_is_refused_has_no_phase() -> None:
    traced = Traced()
    traced.world.create(cancelRunID="1")
    await traced.world.run()
    trace = traced.trace
    assert names(trace) == ["run"]
    assert trace.spans[0].start == trace.spans[0].end.replace(microsecond=0)


async def test_each_run_of_a_job_has_a_trace_of_its_own() -> None:
    traced = Traced()
    traced.world.create(execution=ONE_POD)
    await traced.world.run()
    traced.world.cluster.edit(KEY, run={"id": "2"})
    await traced.world.run(until=lambda: len(traced.traces) == 2)
    assert [trace.id for trace in traced.traces] == [trace_id(traced.world.job.uid, n) for n in (1, 2)]
    assert all(map(consistent, traced.traces))
    assert [len(trace.pods) for trace in traced.traces] == [1, 1]


async def test_a_run_that_was_suspended_shows_its_phases_since_it_was_resumed() -> None:
    traced = Traced(well(run=30))
    world = traced.world
    world.create()
    await world.run(until=lambda: world.phase == "Running")
    world.clock.advance(5)
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.phase == "Suspended" and not world.cluster.attempts())
    world.clock.advance(100)
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    trace = traced.trace
    assert names(trace) == ["run", "launching", "processing", "publishing"]
    assert trace.spans[0].attributes["imagejob.suspended_seconds"]
    assert {pod.spans[0].error for pod in trace.pods} == {None}
    assert len(trace.pods) == 4, "those of both epochs"
    assert by_name(trace.spans, "launching").start > trace.spans[0].start + timedelta(seconds=100)


# --- what a Pod measured -----------------------------------------------------------------------------------


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def ended(*pods: Attempt, after: float = 60) -> Trace:
    """The trace of a run with these Pods, which ends after a minute or so many seconds."""
    now = later(after)
    run = RunStatus("1", 1, RUN_UID, 1, started_at=NOW, finished_at=now.replace(microsecond=0))
    succeeded = job(msgspec.structs.replace(status(Phase.SUCCEEDED), run=run))
    found = ended_run(seen(job(status(Phase.PUBLISHING)), *pods, now=now), succeeded)
    assert found
    return run_trace(found)


def measuring(*spans: PodSpan) -> Attempt:
    """A Pod that ran from 10 to 20 seconds, as its node reports in whole seconds."""
    done = attempt(State.SUCCEEDED, finished=later(20))
    return replace(done, started_at=later(10), summary=Summary(3, 1, spans=spans))


def test_what_a_pod_measured_is_in_its_span() -> None:
    fetch = PodSpan(Work.FETCH, milliseconds(later(11.25)), 4500, 9000, 4)
    store = PodSpan(Work.STORE, milliseconds(later(12)), 8750, 20_000, 8)
    trace = ended(measuring(fetch, store))
    assert consistent(trace)
    ((whole, start, fetched, stored),) = (pod.spans for pod in trace.pods)
    assert [span.name for span in (whole, start, fetched, stored)] == ["pod", "start", "fetch", "store"]
    assert (fetched.start, fetched.end) == (later(11.25), later(15.75))
    assert fetched.attributes == {"imagejob.sources": 4, "imagejob.busy_ms": 9000}
    assert stored.attributes == {"imagejob.outputs": 8, "imagejob.busy_ms": 20_000}
    # The end of the container has no fraction, so the spans may end up to a second later.
    assert (stored.end, whole.end) == (later(20.75), later(20.75))
    assert whole.attributes["imagejob.items.failed"] == 1


@pytest.mark.parametrize("start", [0, milliseconds(later(15)), 2**53])
@pytest.mark.parametrize("length", [0, 1000, 2**53])
def test_whatever_a_pod_reports_is_within_the_time_that_its_node_reports(start: int, length: int) -> None:
    trace = ended(measuring(PodSpan(Work.PROCESS, start, length, 2**53, 2**53)))
    assert consistent(trace)
    span = by_name(trace.pods[0].spans, "process")
    assert later(10) <= span.start <= span.end <= later(21)


def test_a_pod_without_times_has_no_spans_inside() -> None:
    fetch = PodSpan(Work.FETCH, milliseconds(later(11)), 1, 1, 1)
    unknown = replace(measuring(fetch), started_at=None, finished_at=None)
    trace = ended(unknown)
    assert [span.name for span in trace.pods[0].spans] == ["pod"]
    assert trace.pods[0].spans[0].end == later(60)


def test_pods_of_other_runs_are_not_in_the_trace() -> None:
    trace = ended(
        attempt(State.SUCCEEDED), attempt(State.SUCCEEDED, run=2), attempt(State.SUCCEEDED, run_uid="00")
    )
    assert len(trace.pods) == 1


def test_the_number_of_pods_is_bounded_and_failed_ones_come_first() -> None:
    many = [attempt(State.SUCCEEDED, shard=n % 1000, number=1 + n // 1000) for n in range(MOST_PODS + 5)]
    many[-1] = replace(many[-1], state=State.FAILED, problem=CRASHED)
    trace = ended(*many)
    assert len(trace.pods) == trace.spans[0].attributes["imagejob.pods"] == MOST_PODS
    assert trace.pods[0].spans[0].error == CRASHED.message


def test_a_pod_that_is_still_there_ends_with_the_run() -> None:
    trace = ended(replace(attempt(State.RUNNING, deleting=True, gone_by=later(90)), started_at=None))
    assert trace.pods[0].spans[0].end == later(60)


def test_a_clock_that_was_set_back_gives_no_span_that_ends_before_it_begins() -> None:
    trace = ended(attempt(State.SUCCEEDED, created=later(-5), finished=later(-3)), after=-10)
    assert consistent(trace)


def test_only_an_end_has_a_trace() -> None:
    running = job(status(Phase.RUNNING))
    assert ended_run(seen(running), running) is None
    unknown = job(msgspec.structs.replace(status(Phase.SUCCEEDED), run=None))
    assert ended_run(seen(running), unknown) is None


def test_the_reason_of_a_cancellation_is_no_error() -> None:
    error = error_status(Failure(Code.CANCELLED, Reason.CANCELLED, "cancelled"))
    after = job(msgspec.structs.replace(status(Phase.CANCELLED), error=error))
    found = run_trace(EndedRun(after, status(Phase.CANCELLING), (), later(1)))
    assert found.spans[0].error is None
    assert found.spans[0].attributes["imagejob.reason"] == "Cancelled"
    assert "error.type" not in found.spans[0].attributes
