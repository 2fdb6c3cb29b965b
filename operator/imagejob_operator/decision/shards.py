"""How the shards of a run stand, and which attempts are due: from recorded tries and seen attempts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.spec import Execution
from imagejob_operator.api.status import ItemCounts, Status, duration_text
from imagejob_operator.backoff import Backoff
from imagejob_operator.decision.attempt import Attempt, Problem, Remark, State, Tries, parse_tries
from imagejob_operator.decision.observation import Observation


@dataclass(frozen=True, slots=True)
class Survey:
    """All shards of the current run, each in exactly one of done, lost, active, resting, and due."""

    total: int
    tries: tuple[Tries, ...]
    done: Mapping[int, Summary]
    lost: Mapping[int, Problem]
    """Shards whose retries are used up, and by what."""
    running: tuple[Attempt, ...]
    waiting: tuple[Attempt, ...]
    absent: tuple[int, ...]
    """Shards whose recorded attempt is not there: not launched yet, or gone without a result."""
    resting: Mapping[int, datetime]
    """Shards whose next attempt is not due yet, and when it will be."""
    due: Mapping[int, Tries]
    """Shards that want a new attempt, with the tries to record for it."""

    @property
    def finished(self) -> bool:
        """Whether nothing is left to run."""
        return len(self.done) + len(self.lost) == self.total


MAX_DISRUPTIONS = 10
"""Launches of one shard that may be disrupted; more, and the cluster is no place for it now."""

REST = Backoff(timedelta(seconds=1), timedelta(seconds=10))
"""The pauses between the end of an attempt and the next one at its shard."""

STUCK_AFTER = timedelta(seconds=60)
"""A Pod that is still there so long after it should be gone is on a dead node."""


def survey(o: Observation, retries: int) -> Survey:
    """Sort the shards of the run by where they stand."""
    run = o.job.status.run
    shards = run.shards if run else None
    total = shards.total if shards else 0
    tries = parse_tries(shards.attempts if shards else "", total)
    current = (run.number, run.epoch) if run else (0, 0)
    seen = [a for a in o.attempts if (a.run, a.epoch) == current and a.shard < total]
    done: dict[int, Summary] = dict(o.results)
    for attempt in seen:
        if attempt.state is State.SUCCEEDED:
            done.setdefault(attempt.shard, attempt.summary or Summary())
    latest = {a.shard: a for a in seen if a.number == tries[a.shard].launches}
    lost: dict[int, Problem] = {}
    due: dict[int, Tries] = {}
    resting: dict[int, datetime] = {}
    absent: list[int] = []
    for shard in range(total):
        if shard in done:
            continue
        attempt_now, had = latest.get(shard), tries[shard]
        if had.launches == 0:
            due[shard] = Tries(1, 0)
        elif attempt_now is None and not had.lost:
            absent.append(shard)
        elif problem := _ended_badly(attempt_now, o.now):
            after = _after_failure(had, problem, retries)
            if isinstance(after, Problem):
                lost[shard] = after
            elif attempt_now and o.now < (rested := _rested_at(attempt_now, had, o.now)):
                resting[shard] = rested
            else:
                due[shard] = after
    open_attempts = [a for a in latest.values() if a.shard not in {*done, *due, *lost} and a.live]
    return Survey(
        total=total,
        tries=tries,
        done=done,
        lost=lost,
        running=tuple(a for a in open_attempts if a.state is State.RUNNING),
        waiting=tuple(a for a in open_attempts if a.state is State.WAITING),
        absent=tuple(absent),
        resting=resting,
        due=due,
    )


def _ended_badly(attempt: Attempt | None, now: datetime) -> Problem | None:
    """Why an attempt is over without a result; None while it may still have one."""
    if attempt is None:
        return Problem(Reason.CRASHED, "the shard was given up before")
    if attempt.state is State.FAILED:
        return attempt.problem or Problem(Reason.CRASHED, f"{attempt.name} failed")
    if attempt.live and attempt.gone_by and now >= attempt.gone_by + STUCK_AFTER:
        text = f"{attempt.name} was deleted and does not end: its node is lost"
        return Problem(Reason.NODE_LOST, text, counted=False)
    return None


def _rested_at(attempt: Attempt, had: Tries, now: datetime) -> datetime:
    """When the shard of an attempt that ended badly may be tried again; a dead node was waited for enough.

    One that ends in times to come was seen by a clock that is not ours, and says nothing of how long to rest.
    """
    ended = attempt.finished_at or attempt.created_at
    if attempt.live or ended > now + REST.longest:
        return now
    return ended + REST.pause(had.launches)


def stuck_at(attempts: Sequence[Attempt]) -> list[datetime]:
    """When attempts that are being deleted will count as lost, if they do not end before."""
    return [a.gone_by + STUCK_AFTER for a in attempts if a.live and a.gone_by]


def _after_failure(had: Tries, problem: Problem, retries: int) -> Tries | Problem:
    """The tries to record for another attempt; or, if the shard is lost, by what."""
    if had.lost:
        return problem
    if problem.counted:
        return Tries(had.counted + 1, had.disrupted) if had.counted <= retries else problem
    if had.disrupted < MAX_DISRUPTIONS:
        return Tries(had.counted, had.disrupted + 1)
    return replace(problem, message=f"{problem.message} (disrupted {had.disrupted + 1} times)")


def record_due(view: Survey, parallelism: int) -> tuple[Tries, ...]:
    """The tries to record next: as many new attempts as `parallelism` has room for, retries first."""
    room = parallelism - len(view.running) - len(view.waiting) - len(view.absent)
    tries = list(view.tries)
    retries_first = sorted(view.due, key=lambda shard: (view.tries[shard].launches == 0, shard))
    for shard in retries_first[: max(0, room)]:
        tries[shard] = view.due[shard]
    for shard in view.lost:
        tries[shard] = replace(tries[shard], lost=True)
    return tuple(tries)


def shard_items(total_items: int, per_shard: int, shard: int) -> range:
    """Indexes of the items of a shard."""
    return range(shard * per_shard, min(total_items, (shard + 1) * per_shard))


def shard_count(total_items: int, per_shard: int) -> int:
    """Shards of a run."""
    return math.ceil(total_items / per_shard)


def count_items(status: Status, view: Survey) -> ItemCounts:
    """Items of finished and of lost shards."""
    items = status.items or ItemCounts()
    lost = sum(
        len(shard_items(items.total - items.skipped, status.items_per_shard, shard)) for shard in view.lost
    )
    return ItemCounts(
        total=items.total,
        succeeded=sum(s.succeeded for s in view.done.values()),
        failed=sum(s.failed for s in view.done.values()) + lost,
        skipped=items.skipped,
    )


NOTEWORTHY = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Start:
    """What waiting for a start comes to: a failure, or when to look again, with a note for people."""

    failure: Failure | None = None
    requeue_at: datetime | None = None
    note: str = ""


def judge_start(o: Observation, view: Survey, execution: Execution) -> Start:
    """Hold the wait for a running attempt against its deadlines.

    Nothing is judged while an attempt runs: JOB_003 means that none got running.
    """
    if view.running:
        return Start()
    waiting = [attempt for attempt in view.waiting if not attempt.held]
    unheard = {a.shard for a in waiting if not a.order_delivered}
    refusals = [r for shard, r in o.refusals.items() if shard in unheard or shard in view.absent]
    begun = [a.created_at for a in waiting] + [refusal.since for refusal in refusals]
    if not begun:
        return Start()
    ended = [a.finished_at for a in o.attempts if a.finished_at]
    run = o.job.status.run
    ended += [run.released_at] if run and run.released_at else []
    since = max([min(begun), o.job.status.phase_since or min(begun), *ended])
    told = [(a.name, problem) for a in waiting if (problem := a.problem or _remarked(o.remarks, a))]
    names = {id(problem): name for name, problem in told}
    # What was refused comes first: a Pod that waits for an order that was refused only says that it has none.
    problems = [refusal.problem for refusal in refusals] + [problem for _, problem in told]
    problem = next((p for p in problems if p.certain), problems[0] if problems else None)
    deadline = timedelta(seconds=execution.start_deadline_seconds)
    limit = min(deadline, o.policy.start_grace) if problem and _graced(problem) else deadline
    waited = o.now - since
    where = names.get(id(problem))
    name = "grace" if limit < deadline else "start deadline"
    suffix = f"{duration_text(waited)} of {duration_text(limit)} {name}"
    evidence = f" ({'pod ' + where + ', ' if where else ''}{suffix})"
    if problem and problem.certain:
        return Start(failure=Failure(Code.LAUNCH, problem.reason, problem.message + evidence))
    if waited >= limit:
        if problem:
            return Start(failure=Failure(Code.LAUNCH, problem.reason, problem.message + evidence))
        text = f"no Pod got running within spec.execution.startDeadlineSeconds{evidence}"
        return Start(failure=Failure(Code.LAUNCH, Reason.START_DEADLINE_EXCEEDED, text))
    # A problem of the first seconds (a Pod waits for its Secret) is not worth a write.
    note = _note(problem) if problem and waited >= NOTEWORTHY else ""
    return Start(
        requeue_at=min(since + limit, since + NOTEWORTHY if waited < NOTEWORTHY else since + limit), note=note
    )


def _note(problem: Problem) -> str:
    """What people read while it lasts; a deadline is no news before it has passed."""
    unnamed = problem.reason is Reason.START_DEADLINE_EXCEEDED
    return problem.message if unnamed else f"{problem.reason}: {problem.message}"


def _remarked(remarks: Mapping[str, Remark], attempt: Attempt) -> Problem | None:
    """The problem of an attempt that has none of its own, if something was said of it."""
    remark = remarks.get(attempt.uid)
    if remark is None or not remark.message:
        return None
    return Problem(Reason.START_DEADLINE_EXCEEDED, remark.message)


def silent_attempt(o: Observation, view: Survey) -> tuple[Attempt | None, datetime | None]:
    """The attempt that waits longest without a word, if somebody should ask now; else when to ask.

    At first when its wait is worth a note, then each time the wait has doubled; never in a hurry, though a
    clock that was set back says that it was asked about before it was made.
    """
    silent = [a for a in view.waiting if a.problem is None and a.order_delivered]
    if view.running or not silent:
        return None, None
    oldest = min(silent, key=lambda a: a.created_at)
    remark = o.remarks.get(oldest.uid)
    ask_at = oldest.created_at + NOTEWORTHY
    if remark:
        ask_at = remark.asked_at + max(NOTEWORTHY, remark.asked_at - oldest.created_at)
    return (oldest, None) if o.now >= ask_at else (None, ask_at)


def _graced(problem: Problem) -> bool:
    return problem.reason in (Reason.IMAGE_PULL_FAILED, Reason.CONFIG_ERROR)
