"""Typical bugs of operators, planted into the operator of a child process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from chaos.arena import Arena
from chaos.kills import Moment, kill_at, undisturbed
from chaos.living import Living
from chaos.scenarios import BY_NAME
from chaos.spread import spread
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob, Key, attempt_name
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.status import RunPlace, Status
from imagejob_operator.controller import reconciler
from imagejob_operator.decision.action import Action, AddFinalizer, StopAttempt
from imagejob_operator.decision.attempt import Attempt, Problem
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.garbage import Owner
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Clean
from imagejob_operator.decision.phases.terminal import finish_run
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.publishing.publish import clean
from imagejob_operator.ports.launcher import Refused

Decide = Callable[[Observation], Decision]


def _decides(other: Decide) -> None:
    # In this process only: it is a child, and ends by being killed.
    vars(reconciler)["decide"] = other


def finalizer_after_upload(living: Living) -> None:
    """The finalizer is added after staging, not before the first byte."""

    def late(o: Observation) -> Decision:
        decision = decide(o)
        actions: tuple[Action, ...] = tuple(a for a in decision.actions if not isinstance(a, AddFinalizer))
        staged = o.job.status.at not in {Phase.PENDING, Phase.STAGING, *TERMINAL}
        if staged and not o.job.guarded and not o.job.deleted_at:
            actions = (AddFinalizer(), *actions)
        return replace(decision, actions=actions)

    _decides(late)


def status_before_compensation(living: Living) -> None:
    """The terminal phase is written before the cleaning."""
    tasks: set[asyncio.Task[Any]] = set()

    def hasty(o: Observation) -> Decision:
        status, run = o.job.status, o.job.status.run
        if status.at not in COMPENSATING or o.job.deleted_at or not run:
            return decide(o)
        report = report_key(o.job.key.namespace, o.job.key.name, o.job.uid, run.number, run.uid)
        operation = Clean((status.staging.prefix,) if status.staging else (), report)
        tasks.add(asyncio.create_task(clean(living.store, living.link.clock, FreshRuns(), o.job, operation)))
        target = Phase.FAILED if status.at is Phase.FAILING else Phase.CANCELLED
        return finish_run(o, msgspec.structs.replace(status, report=report), target, cleaned=True)

    _decides(hasty)


def create_without_adopt(living: Living) -> None:
    """An existing Pod of the attempt is not adopted."""
    attempts = living.reconciler.executor.attempts
    launcher: Any = attempts._launcher

    class Strict:
        def __getattr__(self, name: str) -> Any:
            return getattr(launcher, name)

        async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
            place = job.status.run.place if job.status.run else RunPlace(0, 0)
            name = attempt_name(job.key, job.uid, place, shard, number)
            if any(attempt.name == name for _, attempt in launcher.attempts()):
                raise Refused(Problem(Reason.POD_REJECTED, f"{name} already exists", certain=True))
            made: Attempt = await launcher.launch(job, shard, number, ends_by)
            return made

    vars(attempts)["_launcher"] = Strict()


def attempt_not_written_first(living: Living) -> None:
    """Attempts are kept in memory, and recorded only with the results."""
    memory: dict[tuple[str, int, int], str] = {}

    def forgetful(o: Observation) -> Decision:
        run = o.job.status.run
        if o.job.status.at not in (Phase.LAUNCHING, Phase.RUNNING) or run is None or run.shards is None:
            return decide(o)
        place = (o.job.uid, run.number, run.epoch)
        known = memory.get(place, "")
        decision = decide(replace(o, job=replace(o.job, status=_with_attempts(o.job.status, known))))
        status = decision.status
        if status.at not in (Phase.LAUNCHING, Phase.RUNNING) or status.run is None:
            return decision
        wanted = status.run.shards.attempts if status.run.shards else ""
        memory[place] = wanted
        again = decision.requeue_at if wanted == known else o.now
        return replace(decision, status=_with_attempts(status, run.shards.attempts), requeue_at=again)

    _decides(forgetful)


def _with_attempts(status: Status, attempts: str) -> Status:
    run = status.run
    if run is None or run.shards is None:
        return status
    shards = msgspec.structs.replace(run.shards, attempts=attempts)
    return msgspec.structs.replace(status, run=msgspec.structs.replace(run, shards=shards))


def sweep_from_cache(living: Living) -> None:
    """The garbage collector uses a cache that does not have the job yet."""

    class Stale:
        async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
            return {}

        async def get(self, key: Key) -> tuple[str, Owner] | None:
            return None

    living.owners = Stale()


def deleted_before_recorded(living: Living) -> None:
    """A Pod that a sidecar keeps is deleted before its failure is recorded."""

    def hasty(o: Observation) -> Decision:
        decision = decide(o)
        lingering = (a for a in o.attempts if a.lingers and not a.deleting)
        return replace(decision, actions=(*decision.actions, *map(StopAttempt, lingering)))

    _decides(hasty)


@dataclass(frozen=True)
class Bug:
    """A planted bug, and the crash points that have to find it."""

    plant: Callable[[Living], None]
    scenario: str
    moment: Moment = Moment.SENT

    @property
    def words(self) -> str:
        """The description of the bug."""
        return (self.plant.__doc__ or "").strip()


def find(bug: Bug) -> str:
    """How the bug is detected, without faults or at one of the crash points; empty if it is not."""
    base = undisturbed(BY_NAME[bug.scenario])
    planted = replace(base.scenario, setup=replace(base.scenario.setup, bug=bug.plant))
    if wrongs := Arena(planted).run().wrongs:
        return f"undisturbed: {wrongs[0]}"
    points = [(base, at, bug.moment) for at in range(len(base.requests))]
    tallies = spread(lambda point: kill_at(point, planted), points)
    return next((text for tally in tallies for text in tally.divergences), "")


BUGS = (
    Bug(finalizer_after_upload, "deleted in Staging"),
    Bug(status_before_compensation, "an item fails"),
    Bug(create_without_adopt, "success in one Pod", Moment.LATE),
    Bug(attempt_not_written_first, "a crashed Pod is removed by somebody"),
    Bug(sweep_from_cache, "a sweep while the staging waits"),
    Bug(deleted_before_recorded, "every Pod crashes, and a sidecar outlives it"),
)
