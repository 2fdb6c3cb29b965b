"""Faults, kills and what users do, in any order: the promises hold at every moment, and there is an end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as Search
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fakes.memory_owners import FOLDER
from fakes.scripts import CRASHED, badly, in_turn, well
from fakes.world import KEY, World
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.controller import reconciler
from imagejob_operator.decision.action import ReleaseFinalizer
from imagejob_operator.decision.attempt import Attempt, Problem
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.documents.staging import manifest_key
from imagejob_operator.naming.prefixes import job_staging_prefix
from imagejob_operator.ports.imagejobs import Conflict, Unavailable
from imagejob_operator.ports.launcher import Refused
from imagejob_operator.ports.object_store import StoreUnavailable

SETTINGS = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
STORE_CALLS = ("stat", "list", "get", "put", "put_if_absent", "copy", "delete")
JOB_CALLS = ("add_finalizer", "remove_finalizer", "write_status", "announce", "stop", "namespace")
FALLBACK = Problem(Reason.START_DEADLINE_EXCEEDED, "the Pod cannot be created: 503")


class Model(RuleBasedStateMachine):
    """One job in a world where anything may happen next."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.world = World(script=in_turn(well(), badly(CRASHED), well()))
        self.wrongs: list[str] = []
        self.ended: dict[tuple[str, int], str] = {}
        self.guarded: set[str] = set()
        self.number = 1
        self.listen()
        self.world.store.hooks.install(self.writes)
        self.world.create(execution={"itemsPerPod": 1})

    def play(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def listen(self) -> None:
        """Hear what the operator hears, and look at it."""
        cluster = self.world.cluster
        tell_job, tell_attempt = cluster.on_job, cluster.on_attempt

        def on_job(kind: str, job: ImageJob) -> None:
            self.job_changed(kind, job)
            tell_job(kind, job)

        def on_attempt(kind: str, uid: str, key: Key, attempt: Attempt) -> None:
            if kind == "ADDED":
                self.launched(attempt)
            tell_attempt(kind, uid, key, attempt)

        cluster.on_job, cluster.on_attempt = on_job, on_attempt

    # --- the promises ----------------------------------------------------------------------------------

    def job_changed(self, kind: str, job: ImageJob) -> None:
        run = job.status.run
        if run and run.id and kind != "DELETED":
            place = (job.uid, run.number)
            before = self.ended.get(place)
            if before and before != job.status.phase:
                self.wrongs.append(f"run {run.number} was {before} and is {job.status.phase}")
            if job.status.at in TERMINAL:
                self.ended[place] = job.status.phase
        if job.guarded:
            self.guarded.add(job.uid)
        elif job.uid in self.guarded:
            self.guarded.discard(job.uid)
            self.released(job)

    def released(self, job: ImageJob) -> None:
        left = self.world.store.keys(job_staging_prefix(FOLDER, job.key.namespace, job.uid))
        if left and not self.world.operator.telemetry.deferrals:
            self.wrongs.append(f"released with {left} in staging")

    def launched(self, attempt: Attempt) -> None:
        job = self.world.cluster.job(KEY)
        staging = job.status.staging if job else None
        if staging is None or manifest_key(staging.prefix) not in self.world.store.objects:
            self.wrongs.append(f"{attempt.name} was launched before all was staged")
        beside = [
            a
            for _, a in self.world.cluster.attempts()
            if (a.place, a.shard) == (attempt.place, attempt.shard) and a.live and not a.deleting
        ]
        if len(beside) > 1:
            self.wrongs.append(f"{attempt.name} was launched beside {[a.name for a in beside]}")

    async def writes(self, operation: str, about: str, done: bool) -> None:
        if done or operation not in ("put", "put_if_absent", "copy") or about.startswith("."):
            return
        job = self.world.cluster.job(KEY)
        # A suspension or a deletion may come while outputs are copied, and the last copy lands.
        if job and self.world.phase in (Phase.PENDING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING):
            self.wrongs.append(f"{about} was written in {self.world.phase}")

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not self.wrongs, self.wrongs

    # --- what may happen -------------------------------------------------------------------------------

    def there(self) -> bool:
        job = self.world.cluster.job(KEY)
        return job is not None and job.deleted_at is None

    def steps(self, count: int) -> None:
        for _ in range(count):
            if self.world.cluster.job(KEY) is None or self.world.ended():
                return
            self.play(self.world.step())

    @rule(count=st.integers(1, 12))
    def go_on(self, count: int) -> None:
        self.steps(count)

    @rule(call=st.sampled_from(STORE_CALLS), lost=st.booleans(), count=st.integers(1, 6))
    def store_fails(self, call: str, lost: bool, count: int) -> None:
        self.world.store.hooks.fail(StoreUnavailable("503"), call, times=1, lost_answer=lost)
        self.steps(count)

    @rule(
        call=st.sampled_from(JOB_CALLS), lost=st.booleans(), conflict=st.booleans(), count=st.integers(1, 6)
    )
    def api_fails(self, call: str, lost: bool, conflict: bool, count: int) -> None:
        guarded = call in ("add_finalizer", "remove_finalizer", "write_status")
        error = Conflict("409") if conflict and guarded and not lost else Unavailable("503")
        self.world.cluster.hooks.fail(error, call, times=1, lost_answer=lost)
        self.steps(count)

    @rule(call=st.sampled_from(("launch", "deliver")), lost=st.booleans(), count=st.integers(1, 6))
    def launch_fails(self, call: str, lost: bool, count: int) -> None:
        self.world.cluster.hooks.fail(Refused(FALLBACK), call, times=1, lost_answer=lost)
        self.steps(count)

    @rule(at=st.integers(0, 8), after=st.booleans())
    def operator_is_killed(self, at: int, after: bool) -> None:
        self.world.die_at(at, after)
        self.steps(8)
        self.play(self.world.restart())
        self.listen()

    @rule(seconds=st.sampled_from((1, 20, 45)))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds)

    @precondition(there)
    @rule(wanted=st.booleans())
    def suspend(self, wanted: bool) -> None:
        self.world.cluster.edit(KEY, suspend=wanted)

    @precondition(there)
    @rule()
    def cancel(self) -> None:
        self.world.cluster.edit(KEY, cancelRunID=str(self.number))

    @precondition(there)
    @rule()
    def run_again(self) -> None:
        self.number += 1
        self.world.cluster.edit(KEY, run={"id": str(self.number)}, suspend=False)

    @precondition(there)
    @rule()
    def delete(self) -> None:
        self.world.cluster.user_deletes(KEY)

    @rule()
    def a_pod_is_taken_away(self) -> None:
        for _, attempt in self.world.cluster.attempts()[:1]:
            self.world.cluster.take_away(KEY.namespace, attempt.name)

    def teardown(self) -> None:
        try:
            if self.there():
                self.world.cluster.edit(KEY, suspend=False)
            self.play(self.world.run())
            assert not self.wrongs, self.wrongs
        finally:
            self.play(self.world.operator.operations.stop())
            self.loop.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Thousands of warnings are made on purpose here."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_the_promises_hold_in_any_order() -> None:
    run_state_machine_as_test(Model, settings=SETTINGS)


@contextmanager
def planted(other: Any) -> Iterator[None]:
    vars(reconciler)["decide"] = other
    try:
        yield
    finally:
        vars(reconciler)["decide"] = decide


def lets_go_too_soon(o: Observation) -> Decision:
    """A finalizer that is taken off as soon as the job is deleted."""
    decision = decide(o)
    if o.job.deleted_at is None or not o.job.guarded:
        return decision
    return replace(decision, actions=(ReleaseFinalizer(),), operation=None)


def test_a_planted_bug_is_found() -> None:
    # The first case is enough: it need not be the shortest.
    quick = settings(SETTINGS, max_examples=500, phases=[Search.generate])
    with planted(lets_go_too_soon), pytest.raises(AssertionError, match="released with"):
        run_state_machine_as_test(Model, settings=quick)
