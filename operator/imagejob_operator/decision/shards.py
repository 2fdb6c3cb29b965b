"""The state of a run's shards, and the attempts that are due: from recorded counts and seen attempts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.spec import ExecutionHead, InvalidSpec
from imagejob_operator.api.status import MAX_SHARDS, ItemCounts, RunStatus, ShardStatus, Status
from imagejob_operator.backoff import Backoff
from imagejob_operator.decision.attempt import (
    Attempt,
    AttemptCounts,
    Problem,
    State,
    format_attempts,
    parse_attempts,
)
from imagejob_operator.decision.observation import Observation


@dataclass(frozen=True, slots=True)
class Survey:
    """All shards of the current run; each is done, lost, active, in backoff, or due."""

    total: int
    counts: tuple[AttemptCounts, ...]
    """The recorded attempts, by shard."""
    done: Mapping[int, Summary]
    lost: Mapping[int, Problem]
    """Shards without retries left, and their last problem."""
    running: tuple[Attempt, ...]
    waiting: tuple[Attempt, ...]
    absent: tuple[int, ...]
    """Shards whose recorded attempt does not exist: not launched yet, or gone without a result."""
    backoff: Mapping[int, datetime]
    """Shards whose next attempt is due later, and when."""
    due: Mapping[int, AttemptCounts]
    """Shards that need a new attempt, with the counts to record for it."""

    @property
    def finished(self) -> bool:
        """Whether every shard has ended."""
        return len(self.done) + len(self.lost) == self.total


DEFAULT_ITEMS_PER_POD = 100
"""The most without `itemsPerPod`: a lost Pod repeats all its items. MAX_SHARDS Pods take 100,000 items."""

MAX_DISRUPTIONS = 10
"""Disrupted launches of one shard before it fails for good."""

BACKOFF = Backoff(timedelta(seconds=1), timedelta(seconds=10))
"""The pauses between two attempts at a shard."""
STORE_BACKOFF = Backoff(timedelta(seconds=10), timedelta(minutes=5))
"""The pauses after a Pod that could not use the store: an outage takes longer than a crash."""

STUCK_AFTER = timedelta(seconds=60)
"""A Pod that still exists so long after it should be gone is on a dead node."""


def survey(o: Observation, retries: int) -> Survey:
    """Sort the shards of the run by their state."""
    run = o.job.status.run
    shards = run.shards if run else None
    total = shards.total if shards else 0
    counts = parse_attempts(shards.attempts if shards else "", total)
    seen = [a for a in o.attempts if run and a.place == run.place and a.shard < total]
    reported: dict[int, Summary] = dict(o.results)
    for attempt in seen:
        if attempt.state is State.SUCCEEDED:
            reported.setdefault(attempt.shard, attempt.summary or Summary())
    done = {shard: limited(one, len(ordered_items(o.job.status, shard))) for shard, one in reported.items()}
    latest = {a.shard: a for a in seen if a.number == counts[a.shard].launches}
    lost: dict[int, Problem] = {}
    due: dict[int, AttemptCounts] = {}
    backoff: dict[int, datetime] = {}
    absent: list[int] = []
    for shard in range(total):
        if shard in done:
            continue
        attempt_now, had = latest.get(shard), counts[shard]
        if had.launches == 0:
            due[shard] = AttemptCounts(1, 0)
        elif attempt_now is None and not had.lost:
            absent.append(shard)
        elif problem := _ended_badly(attempt_now, o.now):
            after = _after_failure(had, problem, retries)
            if isinstance(after, Problem):
                lost[shard] = after
            elif attempt_now and o.now < (due_at := _due_at(attempt_now, had, o.now)):
                backoff[shard] = due_at
            else:
                due[shard] = after
    open_attempts = [a for a in latest.values() if a.shard not in {*done, *due, *lost} and a.live]
    return Survey(
        total=total,
        counts=counts,
        done=done,
        lost=lost,
        running=tuple(a for a in open_attempts if a.state is State.RUNNING),
        waiting=tuple(a for a in open_attempts if a.state is State.WAITING),
        absent=tuple(absent),
        backoff=backoff,
        due=due,
    )


def limited(reported: Summary, items: int) -> Summary:
    """What Pods report of so many items, which is not verified yet: at most these items."""
    failed = min(reported.failed, items)
    return Summary(min(reported.succeeded, items - failed), failed)


def _ended_badly(attempt: Attempt | None, now: datetime) -> Problem | None:
    """Why an attempt has ended without a result; None while it may still have one."""
    if attempt is None:
        return Problem(Reason.CRASHED, "all attempts to process the shard have failed")
    if attempt.state is State.FAILED:
        return attempt.problem or Problem(Reason.CRASHED, f"{attempt.name} failed")
    if attempt.live and attempt.gone_by and now >= attempt.gone_by + STUCK_AFTER:
        text = f"{attempt.name} was deleted and does not terminate: its node is lost"
        return Problem(Reason.NODE_LOST, text, counted=False)
    return None


def _due_at(attempt: Attempt, had: AttemptCounts, now: datetime) -> datetime:
    """When the shard is retried: at once if the node is dead, or the end is in the future (another clock)."""
    ended = attempt.finished_at or attempt.created_at
    away = attempt.problem is not None and attempt.problem.reason is Reason.STORE_UNREACHABLE
    backoff = STORE_BACKOFF if away else BACKOFF
    if attempt.live or ended > now + backoff.longest:
        return now
    return ended + backoff.pause(had.launches)


def stuck_at(attempts: Sequence[Attempt]) -> list[datetime]:
    """When attempts that are being deleted count as lost, unless they end before."""
    return [a.gone_by + STUCK_AFTER for a in attempts if a.live and a.gone_by]


def _after_failure(had: AttemptCounts, problem: Problem, retries: int) -> AttemptCounts | Problem:
    """The counts to record for another attempt; or, if the shard is lost, its last problem."""
    if had.lost:
        return problem
    if problem.counted:
        return AttemptCounts(had.counted + 1, had.disrupted) if had.counted <= retries else problem
    if had.disrupted < MAX_DISRUPTIONS:
        return AttemptCounts(had.counted, had.disrupted + 1)
    return replace(problem, message=f"{problem.message} (disrupted {had.disrupted + 1} times)")


def record_due(view: Survey, parallelism: int) -> tuple[AttemptCounts, ...]:
    """The counts to record next: as many new attempts as `parallelism` has room for, retries first."""
    room = parallelism - len(view.running) - len(view.waiting) - len(view.absent)
    counts = list(view.counts)
    retries_first = sorted(view.due, key=lambda shard: (view.counts[shard].launches == 0, shard))
    for shard in retries_first[: max(0, room)]:
        counts[shard] = view.due[shard]
    for shard in view.lost:
        counts[shard] = replace(counts[shard], lost=True)
    return tuple(counts)


def with_attempts(status: Status, view: Survey, parallelism: int) -> Status:
    """The status with the attempts that are due next recorded in it."""
    run = status.run or RunStatus()
    shards = msgspec.structs.replace(
        run.shards or ShardStatus(),
        succeeded=len(view.done),
        failed=len(view.lost),
        attempts=format_attempts(record_due(view, parallelism)),
    )
    return msgspec.structs.replace(status, run=msgspec.structs.replace(run, shards=shards))


def items_per_pod(execution: ExecutionHead, items: int) -> int:
    """Items of one Pod in a run of `items`; raises InvalidSpec for more than MAX_SHARDS Pods."""
    asked = execution.items_per_pod
    if asked is None:
        return max(1, min(math.ceil(items / execution.parallelism), DEFAULT_ITEMS_PER_POD))
    fewest = math.ceil(items / MAX_SHARDS)
    if asked < fewest:
        raise InvalidSpec(
            f"spec.execution.itemsPerPod: {asked} with {items} items needs more than {MAX_SHARDS} Pods; "
            f"set it to {fewest} or more"
        )
    return asked


def shard_items(total_items: int, per_shard: int, shard: int) -> range:
    """Indexes of the items of a shard."""
    return range(shard * per_shard, min(total_items, (shard + 1) * per_shard))


def ordered_items(status: Status, shard: int) -> range:
    """Indexes of the items that the Pod of a shard was given."""
    items = status.items or ItemCounts()
    return shard_items(items.total - items.skipped, status.items_per_shard, shard)


def shard_count(total_items: int, per_shard: int) -> int:
    """Shards of a run."""
    return math.ceil(total_items / per_shard)


def count_items(status: Status, view: Survey) -> ItemCounts:
    """Count the items of done and lost shards."""
    items = status.items or ItemCounts()
    lost = sum(len(ordered_items(status, shard)) for shard in view.lost)
    return ItemCounts(
        total=items.total,
        succeeded=sum(s.succeeded for s in view.done.values()),
        failed=sum(s.failed for s in view.done.values()) + lost,
        skipped=items.skipped,
    )
