"""All observations of the decision, as a product, and a checker of its decisions.

The checker does not know how a decision is made: it compares it with the guarantees of the design.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import msgspec

from fakes.build import KEY, NOW, PREFIX, RUN_UID, SPEC, UID, attempt, job, later, seen, spec, status
from fakes.memory_owners import FOLDER
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.imagestore_status import Readiness, StoreReason
from imagejob_operator.api.phase import COMPENSATING, FORWARD, TERMINAL, Phase, check_move
from imagejob_operator.api.spec import Compaction, InvalidSpec
from imagejob_operator.api.status import (
    FailedItem,
    ItemCounts,
    PastRun,
    RunStatus,
    Status,
    duration_text,
    error_status,
    parse_status,
)
from imagejob_operator.decision.action import (
    AddFinalizer,
    DeleteJob,
    DeliverOrder,
    Launch,
    RecordEvent,
    ReleaseFinalizer,
    StopAttempt,
)
from imagejob_operator.decision.attempt import (
    Attempt,
    AttemptCounts,
    Problem,
    Refusal,
    Remark,
    State,
    parse_attempts,
)
from imagejob_operator.decision.observation import Admission, Decision, Observation, StoreView, StoreViews
from imagejob_operator.decision.operation import (
    Broken,
    Clean,
    Cleaned,
    Count,
    Counted,
    ItemResults,
    Operation,
    Progress,
    Publish,
    Published,
    Stage,
    Staged,
    Validate,
    Validated,
    Working,
)
from imagejob_operator.decision.status_update import with_conditions
from imagejob_operator.naming.names import RUN_UID_LENGTH
from imagejob_operator.naming.prefixes import job_staging_prefix, report_key

Decide = Callable[[Observation], Decision]

CAUSE = error_status(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, "the first cause"))
UNREACHABLE = Failure(Code.STAGING, Reason.SOURCE_UNREACHABLE, "HTTP 503")
TRANSIENT = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "the store is away")
TOO_MANY = Failure(Code.PROCESSING, Reason.ITEMS_FAILED, "1 of 2 items failed")
PERMANENT = Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, "the store refuses")

WELL = ItemResults(ItemCounts(total=2, succeeded=2))
ONE_FAILED = ItemResults(
    ItemCounts(total=2, succeeded=1, failed=1), (FailedItem("a", "IMG_001", "not an image"),)
)

SPECS = {
    "same-run": SPEC,
    "next-run": spec(run={"id": "2"}),
    "invalid": {},
    "delete-after": spec(retention={"policy": "Delete", "ttlSecondsAfterFinished": 60}),
    "suspended": spec(suspend=True),
    "cancelled": spec(cancelRunID="1", suspend=True),
    "another-cancelled": spec(cancelRunID="0"),
    "validated": spec(run={"mode": "Validate"}),
    "queued": spec(execution={"queueName": "team-a"}),
    "stored": spec(storeRef={"name": "media"}),
    "downloads": spec(source={"urls": [{"url": "https://a.example/a.jpg"}]}),
}
ASKED = ("suspended", "cancelled", "another-cancelled")
"""Specs that ask for something which no deadline has a say in."""

LIVES = {
    "guarded": (True, None),
    "unguarded": (False, None),
    "deleted": (True, NOW),
    "deleted-unguarded": (False, NOW),
}
MOMENTS = {
    "at-once": 0,
    "noteworthy": 11,
    "start-deadline": 300,
    "staging-deadline": 600,
    "active-deadline": 3600,
    "long-after": 90000,
}
BUDGET_MOMENTS = {"at-once": 0, "half-budget": 30, "budget": 60, "long-after": 90000}
"""The moments of a job that is being compensated or deleted."""

COUNTS = {"unlaunched": AttemptCounts(), "first": AttemptCounts(1), "last": AttemptCounts(3)}

WAITING_PROBLEMS = {
    "silent": None,
    "pull": Problem(Reason.IMAGE_PULL_FAILED, "not found"),
    "config": Problem(Reason.CONFIG_ERROR, "no secret"),
    "nowhere": Problem(Reason.UNSCHEDULABLE, "0/3 nodes"),
    "bad-name": Problem(Reason.INVALID_IMAGE_NAME, "bad", certain=True),
}
CRASH = Problem(Reason.CRASHED, "exit 70")
OOM = Problem(Reason.OUT_OF_MEMORY, "killed")
NEVER_RAN = Problem(Reason.CONFIG_ERROR, "no such program")
DRAINED = Problem(Reason.NODE_LOST, "drained", counted=False)
GATED = Problem(Reason.START_DEADLINE_EXCEEDED, "Scheduling is blocked")
KEPT = Refusal(Problem(Reason.POD_REJECTED, "denied"), NOW, later(100_000))
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")
REJECTED = Problem(Reason.POD_REJECTED, "violates", certain=True)


@dataclass(frozen=True)
class Seen:
    """One attempt, or a refusal instead of one."""

    attempt: Attempt | None = None
    refusal: Problem | None = None
    finalizer: Problem | None = None
    """Why the API server does not accept the finalizer."""
    remark: str = ""


def sights(current: Status, few: bool) -> dict[str, Seen]:
    """What may be seen of the first shard of a run."""
    shards = current.run.shards if current.run else None
    number = max(1, parse_attempts(shards.attempts, shards.total)[0].launches) if shards else 1

    def one(state: State, problem: Problem | None = None, **more: Any) -> Seen:
        return Seen(attempt(state, problem, number=number, **more))

    found = {
        "none": Seen(),
        "running": one(State.RUNNING),
        "failed": one(State.FAILED, CRASH),
        "deleting": one(State.RUNNING, deleting=True),
        "lingering": one(State.FAILED, CRASH, lingers=True),
    }
    if number > 1:
        found["lingering-replaced"] = Seen(attempt(State.FAILED, CRASH, number=number - 1, lingers=True))
    if few:
        return found
    return (
        found
        | {f"waiting-{name}": one(State.WAITING, problem) for name, problem in WAITING_PROBLEMS.items()}
        | {
            "waiting-no-order": Seen(attempt(State.WAITING, number=number, delivered=False)),
            "held": Seen(attempt(State.WAITING, GATED, number=number, held=True)),
            "waiting-remarked": Seen(attempt(State.WAITING, number=number), remark="no runtime"),
            "refused": Seen(refusal=QUOTA),
            "rejected": Seen(refusal=REJECTED),
            "finalizer-refused": Seen(finalizer=Problem(Reason.CLUSTER_REFUSED, "503")),
            "finalizer-rejected": Seen(finalizer=Problem(Reason.INVALID_SPEC, "spec: no", certain=True)),
            "not-deletable": Seen(replace(attempt(State.RUNNING, number=number), stop_refused=KEPT)),
            "deletable-again": Seen(
                replace(attempt(State.RUNNING, number=number), stop_refused=replace(KEPT, retry_at=NOW))
            ),
            "succeeded": one(State.SUCCEEDED),
            "succeeded-lingering": one(State.SUCCEEDED, lingers=True),
            "succeeded-lingering-just-now": one(State.SUCCEEDED, lingers=True, finished=NOW),
            "lingering-not-deletable": Seen(
                replace(attempt(State.SUCCEEDED, number=number, lingers=True), stop_refused=KEPT)
            ),
            "out-of-memory": one(State.FAILED, OOM),
            "drained": one(State.FAILED, DRAINED),
            "never-ran": one(State.FAILED, NEVER_RAN),
            "crashed-just-now": Seen(attempt(State.FAILED, CRASH, number=number, finished=NOW)),
            "failed-unexplained": one(State.FAILED),
            "ran-unseen": Seen(replace(attempt(State.FAILED, CRASH, number=number), started_at=NOW)),
            "of-another-run": one(State.RUNNING, run=7),
            "of-an-earlier-epoch": one(State.SUCCEEDED, epoch=0),
        }
    )


LAST_TRY = Stage(PREFIX, last_try=True)


def operations(
    phase: Phase, now: datetime, deleted: bool
) -> dict[str, tuple[Operation | None, Progress | None]]:
    """How the operation that belongs to a phase may stand, and one that does not belong to it."""
    report = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)
    deadline = later(3600)
    own: dict[Phase, tuple[Operation, list[Progress]]] = {
        Phase.VALIDATING: (Validate(PREFIX, report), [Validated(2), Validated(2, PERMANENT)]),
        Phase.STAGING: (
            Stage(PREFIX),
            [
                Staged(2, 2, 10),
                Staged(1, 1, 5, skipped=1),
                Staged(0, 0, 0, skipped=2),
                Staged(2, 1, 5, failed=1, failures=(FailedItem("a", "IMG_010", "there is no object"),)),
            ],
        ),
        Phase.RUNNING: (
            Count(PREFIX, ((0, 1),), ItemCounts(total=2), now - timedelta(seconds=4)),
            [Counted(ItemCounts(total=2)), Counted(ItemCounts(total=2, succeeded=1))],
        ),
        Phase.PUBLISHING: (
            Publish(PREFIX, report, deadline),
            [
                Published(2, 10, WELL, cleaned=True),
                Published(2, 10, WELL, cleaned=False),
                Published(1, 5, ONE_FAILED, cleaned=True),
                Broken(TOO_MANY, results=ONE_FAILED),
            ],
        ),
    }
    empty = (Clean((PREFIX,)), [Cleaned()])
    emptying = (
        Clean((PREFIX,), report=report),
        [Cleaned(), Cleaned(Published(1, 5, ONE_FAILED, cleaned=True))],
    )
    operation, done = own.get(phase, emptying if phase in COMPENSATING else empty)
    if deleted:
        operation, done = Clean((job_staging_prefix(FOLDER, KEY.namespace, UID),)), [Cleaned()]
    progresses: dict[str, Progress] = {
        "working": Working(),
        "working-again": Working(TRANSIENT),
        "resting": Broken(TRANSIENT, now + timedelta(seconds=5)),
        "rested": Broken(TRANSIENT, now - timedelta(seconds=5)),
        "permanent": Broken(PERMANENT),
        **{f"done{n}": progress for n, progress in enumerate(done)},
    }
    return {
        "no-operation": (None, None),
        "other-operation": (Clean(("elsewhere/",)), Cleaned()),
        **{name: (operation, progress) for name, progress in progresses.items()},
    }


def downloads(now: datetime) -> dict[str, tuple[Operation | None, Progress | None]]:
    """How the last try at sources on web servers may stand, and a failure before it that leads to it."""
    return {
        "unreachable": (Stage(PREFIX), Broken(UNREACHABLE, now + timedelta(seconds=5))),
        "last-try": (LAST_TRY, Working()),
        "last-try-resting": (LAST_TRY, Broken(TRANSIENT, now + timedelta(seconds=5))),
        "last-try-permanent": (LAST_TRY, Broken(PERMANENT)),
        "last-try-done": (LAST_TRY, Staged(2, 1, 5, failed=1, failures=(FailedItem("a", "IMG_012", "503"),))),
    }


HISTORY = tuple(PastRun(id=str(n), number=n, phase="Succeeded") for n in range(5, 0, -1))

AWAY = Readiness(StoreReason.UNREACHABLE, "away")
READY = Readiness(StoreReason.READY)
ADMISSIONS: dict[str, tuple[Admission | None, StoreViews]] = {
    "unknown": (None, StoreViews()),
    "admitted": (Admission(True), StoreViews()),
    "refused": (Admission(False, "no label"), StoreViews()),
    "store-absent": (Admission(True), StoreViews(source=StoreView("media"))),
    "store-unready": (Admission(True), StoreViews(destination=StoreView("media", "uid", AWAY))),
    "store-ready": (None, StoreViews(source=StoreView("media", "uid", READY))),
}
"""Whether the operator's store admits the namespace, and how the ImageStores stand that a job names."""


def recorded(phase: Phase, counts: AttemptCounts) -> Status:
    current = status(phase, counts=(counts,), since=NOW)
    if phase in TERMINAL and current.run:
        run = msgspec.structs.replace(current.run, finished_at=NOW, duration="1s")
        current = msgspec.structs.replace(current, run=run)
    fallen = (*COMPENSATING, Phase.FAILED, Phase.CANCELLED)
    return msgspec.structs.replace(
        current, error=CAUSE if phase in fallen else None, history=HISTORY if phase in TERMINAL else ()
    )


def statuses(phase: Phase) -> dict[str, Status]:
    """The possible statuses of a job in a phase."""
    if phase in (Phase.LAUNCHING, Phase.RUNNING):
        first = recorded(phase, AttemptCounts(1))
        run = first.run and msgspec.structs.replace(first.run, queued_since=NOW)
        queued = {"queued": msgspec.structs.replace(first, run=run)}
        return queued | {name: recorded(phase, counts) for name, counts in COUNTS.items()}
    if phase is Phase.DELETING:
        deleted = {p.value: recorded(p, AttemptCounts(1)) for p in (Phase.PENDING, Phase.RUNNING, *TERMINAL)}
        return {p: msgspec.structs.replace(s, phase=phase.value) for p, s in deleted.items()}
    current = recorded(phase, AttemptCounts(1))
    before = {"first": current, "tried-before": with_conditions(current, current, NOW, note=TRANSIENT)}
    if phase in (Phase.STAGING, Phase.VALIDATING, Phase.PUBLISHING):
        return before
    if phase is not Phase.SUSPENDED:
        return {"first": current}
    return {
        "unbegun": Status(phase=phase.value, phase_since=NOW, run=RunStatus(number=1)),
        "uncleaned": current,
        "cleaned": with_conditions(current, current, NOW, cleaned=True),
        "deferred": with_conditions(current, current, NOW, cleaned=False),
    }


def _matters(spec_name: str, state: str, phase: Phase) -> bool:
    """Whether a spec is read in a phase that a job may be in."""
    if spec_name == "validated":
        return phase in (Phase.PENDING, Phase.VALIDATING)
    if spec_name == "downloads":
        return phase is Phase.STAGING
    if spec_name == "queued":
        return phase in (Phase.LAUNCHING, Phase.RUNNING) and state in ("first", "queued")
    return state != "queued" or spec_name in ("next-run", *ASKED)


@cache
def observations(phase: Phase) -> tuple[tuple[str, Observation], ...]:
    """All observations of a job in a phase, with their names; made once."""
    return tuple(_observations(phase))


def _observations(phase: Phase) -> Iterator[tuple[str, Observation]]:
    """The whole product but for what cannot matter: attempts in all their states only while they are what
    the phase waits for, deadlines only while no cleaning budget runs.
    """
    processing = phase in (Phase.LAUNCHING, Phase.RUNNING)
    for state, current in statuses(phase).items():
        for (spec_name, wanted), (life, (guarded, deleted)) in itertools.product(
            SPECS.items(), LIVES.items()
        ):
            if not _matters(spec_name, state, phase) or (phase is Phase.DELETING and deleted is None):
                continue
            of = job(current, wanted, guarded=guarded, deleted_at=deleted, generation=2)
            few = not processing or deleted is not None or spec_name not in ("same-run", "queued")
            brief = deleted or phase in COMPENSATING or phase is Phase.SUSPENDED
            moments = BUDGET_MOMENTS if brief else MOMENTS
            if spec_name in ASKED and not brief:
                moments = {name: MOMENTS[name] for name in ("at-once", "long-after")}
            if of.downloads:
                moments = {**moments, "end-of-the-last-try": 1300}
            for moment, seconds in moments.items():
                yield from (
                    ("/".join((state, spec_name, life, moment, name)), o)
                    for name, o in _worlds(of, sights(current, few), later(seconds))
                )


def _worlds(of: ImageJob, seen_there: dict[str, Seen], now: datetime) -> Iterator[tuple[str, Observation]]:
    phase = of.status.at
    found = operations(phase, now, of.deleted_at is not None)
    if of.downloads:
        found |= downloads(now)
    admissions = ADMISSIONS if phase is Phase.PENDING else {"": (None, StoreViews())}
    for (sight_name, sight), (admission_name, (admission, stores)), (
        operation_name,
        (operation, progress),
    ) in itertools.product(seen_there.items(), admissions.items(), found.items()):
        if sight.attempt and (stores.source or stores.destination):
            continue  # attempts that are there change nothing of what a store does
        attempts = (sight.attempt,) if sight.attempt else ()
        refusals = {0: Refusal(sight.refusal, NOW, now + timedelta(seconds=1))} if sight.refusal else {}
        refused = Refusal(sight.finalizer, NOW, now + timedelta(seconds=1)) if sight.finalizer else None
        remarks = {sight.attempt.uid: Remark(sight.remark, NOW)} if sight.attempt and sight.remark else {}
        yield (
            f"{sight_name}/{admission_name}/{operation_name}",
            replace(
                seen(
                    of,
                    *attempts,
                    now=now,
                    operation=operation,
                    progress=progress,
                    admission=admission,
                    refusals=refusals,
                    remarks=remarks,
                    finalizer_refused=refused,
                ),
                stores=stores,
                # A last try begins at the deadline, or when an operator is there again.
                operation_since=max(now - timedelta(seconds=700), later(600))
                if operation == LAST_TRY
                else None,
            ),
        )


# --- the checker -------------------------------------------------------------------------------------------


def faults(o: Observation, decide: Decide) -> list[str]:
    """The violated guarantees of the decision on one observation."""
    old = o.job.status.at
    try:
        decision = decide(o)
        new = decision.status.at
        settled = replace(o, job=replace(o.job, status=decision.status))
        again = decide(settled) if new is old else None
    except Exception as error:  # noqa: BLE001  (whatever it raises is a fault)
        return [f"raised {error!r}"]
    found = [check(o, old, new, decision) for check in CHECKS]
    if again:
        # A note that the first decision adds must not hide that the second one waits forever.
        then = again.status.at
        found += [check(settled, new, then, again) for check in CHECKS]
    return [text for text in found if text]


def _legal(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    try:
        check_move(old, new)
    except RuntimeError as error:
        return str(error)
    return ""


def _never_waits_forever(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    let_go = o.job.deleted_at is not None and not o.job.guarded
    if decision.status != o.job.status or decision.actions or let_go:
        return ""
    if decision.requeue_at is None:
        return "" if old in TERMINAL else "waits without a requeue"
    return "" if decision.requeue_at > o.now else "requeues at once, forever"


def _holds_deadlines(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    spec = o.job.spec
    if isinstance(spec, InvalidSpec) or o.job.deleted_at or spec.run.id != "1" or spec.suspend:
        return ""
    age = o.now - NOW
    wants = ""
    run = o.job.status.run
    if run and run.queued_since and old in (Phase.LAUNCHING, Phase.RUNNING):
        # No deadline counts but the queue's; that it is queued no more is recorded before anything else.
        held = [a for a in o.attempts if (a.run, a.epoch) == (1, 1) and a.held]
        late = bool(held) and age >= timedelta(seconds=86400)
        return "missed the queue deadline" if late and new is not Phase.FAILING else ""
    looking = old in (Phase.STAGING, Phase.VALIDATING) and not isinstance(o.progress, Staged | Validated)
    if looking and age >= timedelta(seconds=600) and not _may_try_last(o, decision):
        wants = "the staging deadline"
    published = isinstance(o.progress, Published) and isinstance(o.operation, Publish)
    counted = age - timedelta(seconds=run.queued_seconds if run else 0)
    waited = o.now - (run.released_at or NOW) if run else age
    if old in (*FORWARD[1:], Phase.VALIDATING) and counted >= timedelta(seconds=3600) and not published:
        wants = "the active deadline"
    ours = [a for a in o.attempts if (a.run, a.epoch) == (1, 1)]
    waited_for = any(a.state is State.WAITING and not a.held for a in ours) or bool(o.refusals)
    shards = o.job.status.run.shards if o.job.status.run else None
    launched = shards is not None and shards.attempts != ""
    if old is Phase.LAUNCHING and waited >= timedelta(seconds=300) and waited_for and launched:
        wants = "the start deadline"
    if wants:
        lost_outcomes = Phase.FAILED if old is Phase.VALIDATING else Phase.FAILING
        return "" if new is lost_outcomes else f"missed {wants}"
    if (
        old in COMPENSATING
        and age >= timedelta(seconds=60)
        and new not in TERMINAL
        and not _begins(o, decision)
    ):
        return "cleans for longer than the cleaning budget"
    return ""


def _may_try_last(o: Observation, decision: Decision) -> bool:
    """Whether sources on web servers have their last try: ten minutes of this process, less of retries."""
    if not o.job.downloads or decision.operation != LAST_TRY:
        return False
    begun = o.operation_since if o.operation == LAST_TRY else o.now
    resting = o.operation == LAST_TRY and isinstance(o.progress, Broken)
    return begun is not None and o.now < begun + timedelta(minutes=1 if resting else 10)


def _begins(o: Observation, decision: Decision) -> bool:
    """Whether cleaning is tried for the first time, and not waited for much longer."""
    soon = decision.requeue_at is not None and decision.requeue_at <= o.now + timedelta(seconds=10)
    return isinstance(decision.operation, Clean) and decision.operation != o.operation and soon


def _holds_deletion(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if o.job.deleted_at is None or not o.job.guarded:
        return ""
    released = any(isinstance(a, ReleaseFinalizer) for a in decision.actions)
    if o.now >= o.job.deleted_at + timedelta(seconds=60) and not released and not _begins(o, decision):
        return "holds a deletion for longer than the cleaning budget"
    clean = isinstance(o.progress, Cleaned) and isinstance(o.operation, Clean)
    if released and o.now < o.job.deleted_at + timedelta(seconds=60) and not clean:
        return "releases the finalizer before staging is empty"
    return ""


def _shows_a_deletion(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    released = any(isinstance(a, ReleaseFinalizer) for a in decision.actions)
    if o.job.deleted_at is None or not o.job.guarded or released:
        return "is Deleting without a deletion" if new is Phase.DELETING and old is not new else ""
    ready = decision.status.condition("Ready")
    if new is not Phase.DELETING or not ready or "is removed at" not in ready.message:
        return "does not show what a deletion waits for"
    before, after = o.job.status, decision.status
    kept = (before.run, before.error, before.items) == (after.run, after.error, after.items)
    return "" if kept else "a deletion changes what is known about the run"


def _terminal_stays(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if old not in TERMINAL or new in (old, Phase.DELETING):
        return ""
    changed = not isinstance(o.job.spec, InvalidSpec) and o.job.spec.run.id != "1"
    return "" if changed else f"leaves {old} within one run"


def _first_cause_stays(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    before, after = o.job.status.error, decision.status.error
    if before is None or new in (Phase.SUCCEEDED, Phase.PENDING):
        return ""
    return "" if after == before else "replaces the first cause"


def _errors_are_where_they_belong(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    fallen = new in COMPENSATING or new in (Phase.FAILED, Phase.CANCELLED)
    if new is not Phase.DELETING and fallen != (decision.status.error is not None):
        return f"{new} with error {decision.status.error}"
    return ""


def _launches_only_what_is_recorded(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    for action in decision.actions:
        if not isinstance(action, Launch | DeliverOrder):
            continue
        if old not in (Phase.LAUNCHING, Phase.RUNNING):
            return f"launches in {old}"
        if isinstance(action, Launch):
            run = o.job.status.run
            shards = run.shards if run else None
            text = shards.attempts if shards else ""
            known = parse_attempts(text, shards.total if shards else 0)
            if action.number == 0 or known[action.shard].launches != action.number:
                return "launches what is not recorded"
    return ""


def _intent_first(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if new in COMPENSATING and old not in COMPENSATING and (decision.actions or decision.operation):
        return "cleans before the intent is recorded"
    return ""


def _guarded_before_staging(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if new is Phase.STAGING and old is not new and not o.job.guarded:
        return "" if AddFinalizer() in decision.actions else "stages without a finalizer"
    return ""


def _actions_belong_to_the_phase(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    ended = old in TERMINAL or o.job.deleted_at is not None
    for action in decision.actions:
        if isinstance(action, ReleaseFinalizer) and not ended:
            return f"releases the finalizer in {old}"
        if isinstance(action, DeleteJob):
            policy = None if isinstance(o.job.spec, InvalidSpec) else o.job.spec.retention.policy
            if old not in TERMINAL or policy is not Compaction.DELETE or o.now < NOW + timedelta(seconds=60):
                return "deletes a job that is to be kept"
    return ""


def _operations_belong_to_the_phase(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if decision.operation is None:
        return ""
    if o.job.deleted_at:
        allowed: tuple[type, ...] = (Clean,)
    elif old in (*FORWARD, Phase.VALIDATING):
        allowed = {
            Phase.VALIDATING: (Validate,),
            Phase.STAGING: (Stage,),
            Phase.RUNNING: (Count,),
            Phase.PUBLISHING: (Publish,),
        }.get(old, ())
    else:
        allowed = (Clean,)
    return "" if isinstance(decision.operation, allowed) else f"{decision.operation} in {old}"


def _numbers_never_go_back(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    before, after = o.job.status.run or RunStatus(), decision.status.run or RunStatus()
    if after.number < before.number:
        return "the run's number went back"
    if after.number > before.number:
        named = len(after.uid) == RUN_UID_LENGTH or new in TERMINAL
        return "" if old is Phase.PENDING and named else "a new number within a run, or without a uid"
    fresh = old in TERMINAL and new is Phase.PENDING
    if after.epoch != before.epoch and not fresh:
        grew = after.epoch == before.epoch + 1 and (old, new) == (Phase.SUSPENDED, Phase.STAGING)
        return "" if grew else f"the epoch became {after.epoch} in {old}"
    return "" if after.uid == before.uid or fresh else "the run became another one"


def _staged_again_elsewhere(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if new is not Phase.STAGING or old is new:
        return ""
    before, after = o.job.status.staging, decision.status.staging
    run = decision.status.run or RunStatus()
    named = after is not None and after.prefix.endswith(f"/{run.number}-{run.epoch}-{run.uid}/")
    if not named or (before and after and before.prefix == after.prefix):
        return "stages where something was staged before"
    return ""


def _follows_cancel_and_suspend(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    spec = o.job.spec
    if isinstance(spec, InvalidSpec) or o.job.deleted_at or old in TERMINAL or old in COMPENSATING:
        return ""
    cleaned = o.job.status.condition("StagingCleaned")
    unstaged = o.job.status.staging is None and not cleaned
    unbegun = old is Phase.PENDING or (old is Phase.SUSPENDED and unstaged)
    if spec.cancel_run_id == "1":
        ways = (Phase.PENDING, Phase.CANCELLED) if unbegun else (Phase.CANCELLING,)
        if old is Phase.VALIDATING:
            ways = (Phase.CANCELLED,)
        return "" if new in ways else "continues a run that was cancelled"
    published = isinstance(o.progress, Published) and isinstance(o.operation, Publish)
    if not spec.suspend or published:
        return ""
    if any(isinstance(a, Launch | DeliverOrder) for a in decision.actions):
        return "launches though it is suspended"
    return "" if new is Phase.SUSPENDED else "continues though it is suspended"


def _stays_suspended_no_longer_than_asked(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    spec = o.job.spec
    if old is not Phase.SUSPENDED or isinstance(spec, InvalidSpec) or o.job.deleted_at or spec.suspend:
        return ""
    late = o.now >= NOW + timedelta(seconds=60) and decision.status == o.job.status
    late = late and not _begins(o, decision)
    return "stays suspended for longer than the cleaning budget" if late else ""


def _keeps_its_history(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    before, after = o.job.status, decision.status
    if old not in TERMINAL or new in (old, Phase.DELETING):
        return "" if after.history == before.history else f"changes its history in {old}"
    run = before.run or RunStatus()
    newest = after.history[0] if after.history else PastRun()
    shown = (newest.id, newest.number, newest.phase) == (run.id, run.number, before.phase)
    rest = after.history[1:] == before.history[:4]
    return "" if shown and rest else "drops the run that has ended from the history"


def progress_results(o: Observation) -> tuple[ItemCounts, tuple[FailedItem, ...]] | None:
    """The verified results of a run that was published, or of which too many items failed."""
    match o.progress:
        case Cleaned(committed=Published(results=results)) | Published(results=results):
            return results.counts, results.failures
        case Broken(results=ItemResults(counts, failures)):
            return counts, failures
        case _:
            return None


def _keeps_verified_results(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    belongs = isinstance(o.operation, Publish) and old is Phase.PUBLISHING
    known = progress_results(o)
    spec = o.job.spec
    undisturbed = not isinstance(spec, InvalidSpec) and spec.run.id == "1" and spec.cancel_run_id != "1"
    if not known or not belongs or o.job.deleted_at or not undisturbed or new is Phase.SUSPENDED:
        return ""
    kept = (decision.status.items, decision.status.failures) == known
    return "" if kept else "does not show the results that were verified"


def _counts_only_what_is_not_short(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if not isinstance(decision.operation, Count) or decision.operation == o.operation:
        return ""
    last = o.operation.since if isinstance(o.operation, Count) else NOW
    return "" if o.now >= last + timedelta(seconds=5) else "reads the progress too early"


def _counts_never_go_back(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    before, after = o.job.status.items, decision.status.items
    if old is not Phase.RUNNING or new is not Phase.RUNNING or before is None or after is None:
        return ""
    fine = before.finished <= after.finished <= after.total == before.total
    return "" if fine else f"the counts became {after}"


def _records_a_partial_success(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if new is not Phase.SUCCEEDED or old is new:
        return ""
    items, run = decision.status.items, decision.status.run
    failed = items is not None and items.failed > 0
    shown = run is not None and run.outcome == "SucceededWithFailures"
    return "" if failed == shown else f"a success with {items} and the outcome {run and run.outcome!r}"


def _records_that_a_pod_ran(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    run = o.job.status.run
    if (
        old is not Phase.LAUNCHING
        or new not in (Phase.LAUNCHING, *COMPENSATING)
        or not run
        or o.job.deleted_at
    ):
        return ""
    mine = [a for a in o.attempts if a.place == run.place]
    ran = bool(o.results) or any(
        a.state in (State.RUNNING, State.SUCCEEDED) or a.started_at is not None for a in mine
    )
    launched = decision.status.condition("Launched")
    shown = launched is not None and launched.status == "True"
    return "" if ran == shown else f"says {'that' if shown else 'nothing, though'} a Pod ran"


def _records_its_end(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    run = decision.status.run
    if run is None or new in (Phase.PENDING, Phase.DELETING) or old is new:
        return ""
    wanted: tuple[datetime | None, str] = (None, "")
    if new in TERMINAL:
        wanted = o.now.replace(microsecond=0), duration_text(o.now - (run.started_at or o.now))
    return "" if (run.finished_at, run.duration) == wanted else "does not record when the run ended"


def _only_validates(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    run = decision.status.run
    shown = run is not None and run.outcome == "Validated"
    if old is Phase.PENDING and new in (Phase.STAGING, Phase.VALIDATING):
        wanted = not isinstance(o.job.spec, InvalidSpec) and o.job.spec.run.mode == "Validate"
        return "" if wanted == (new is Phase.VALIDATING) else f"goes to {new} against the mode"
    if old is not Phase.VALIDATING or o.job.deleted_at:
        return "says that it was validated" if shown and old is not new else ""
    if decision.actions and any(not isinstance(a, RecordEvent | StopAttempt) for a in decision.actions):
        return "does something while it validates"
    if decision.status.staging:
        return "stages while it validates"
    return "" if shown == (new is Phase.SUCCEEDED) else f"{new} with the outcome {run and run.outcome!r}"


def _ends_pods_that_outlast_their_processor(
    o: Observation, old: Phase, new: Phase, decision: Decision
) -> str:
    stopped = {action.attempt.name for action in decision.actions if isinstance(action, StopAttempt)}
    shards = o.job.status.run.shards if o.job.status.run else None
    for a in o.attempts:
        if not a.lingers or a.finished_at is None:
            continue
        processing = shards is not None and old in (Phase.LAUNCHING, Phase.RUNNING) and not o.job.deleted_at
        launches = parse_attempts(shards.attempts, shards.total)[0].launches if shards else 0
        if processing and a.state is State.FAILED and a.number >= launches:
            if a.name in stopped:
                return "deletes a Pod whose failure is not recorded"
            continue
        late = o.now >= a.finished_at + timedelta(seconds=15) and a.stop_refused is None
        if late and new is old and a.name not in stopped:
            return "lets a Pod outlast its processor"
    return ""


def _can_be_read(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if decision.status is o.job.status:
        return ""
    try:
        parse_status(msgspec.to_builtins(decision.status))
    except (ValueError, msgspec.ValidationError) as error:
        return f"writes a status that cannot be read: {error}"
    return ""


def _is_of_its_generation(o: Observation, old: Phase, new: Phase, decision: Decision) -> str:
    if decision.status is o.job.status:
        return ""
    run, spec = decision.status.run, o.job.spec
    earlier = run is not None and not isinstance(spec, InvalidSpec) and run.id != spec.run.id
    earlier = earlier and new in (*COMPENSATING, *TERMINAL)
    wanted = o.job.status.observed_generation if earlier else o.job.generation
    found = decision.status.observed_generation
    return "" if found == wanted else f"is based on generation {found} instead of {wanted}"


CHECKS = (
    _can_be_read,
    _is_of_its_generation,
    _ends_pods_that_outlast_their_processor,
    _legal,
    _never_waits_forever,
    _holds_deadlines,
    _holds_deletion,
    _shows_a_deletion,
    _terminal_stays,
    _first_cause_stays,
    _errors_are_where_they_belong,
    _launches_only_what_is_recorded,
    _intent_first,
    _guarded_before_staging,
    _actions_belong_to_the_phase,
    _operations_belong_to_the_phase,
    _counts_only_what_is_not_short,
    _counts_never_go_back,
    _numbers_never_go_back,
    _staged_again_elsewhere,
    _follows_cancel_and_suspend,
    _stays_suspended_no_longer_than_asked,
    _keeps_its_history,
    _keeps_verified_results,
    _records_a_partial_success,
    _records_its_end,
    _records_that_a_pod_ran,
    _only_validates,
)


# --- a world that does not change -------------------------------------------------------------------------


def reconciles_until_settled(o: Observation, decide: Decide, most: int = 6) -> int:
    """Reconciles until the status no longer changes, in a world and at a time that do not change."""
    for reconcile in range(most):
        decision = decide(o)
        if decision.status == o.job.status:
            return reconcile
        o = replace(o, job=replace(o.job, status=decision.status))
    raise AssertionError(f"still writes after {most} reconciles: {o.job.status.phase}")


def end_in_a_frozen_world(o: Observation, decide: Decide, most: int = 300) -> tuple[Phase, datetime]:
    """The phase in which a job ends, and when, if its operations and attempts make no progress."""
    for _ in range(most):
        decision = decide(o)
        if o.job.deleted_at and any(isinstance(a, ReleaseFinalizer) for a in decision.actions):
            return decision.status.at, o.now
        if decision.status.at in TERMINAL:
            return decision.status.at, o.now
        operation, progress = decision.operation, Working() if decision.operation else None
        since = o.operation_since if operation == o.operation else o.now
        added = AddFinalizer() in decision.actions
        of = replace(o.job, status=decision.status)
        if added:
            of = replace(of, finalizer_at=0, finalizer_count=1)
        now = o.now
        if decision.status == o.job.status:
            moments = [decision.requeue_at] if decision.requeue_at else []
            moments += [now + timedelta(seconds=30)] if decision.actions else []
            assert moments, f"waits forever in {o.job.status.phase}"
            now = max(min(moments), now + timedelta(milliseconds=50))
        steps = [a.reason for a in decision.actions if isinstance(a, RecordEvent) and a.step]
        recorded = {**o.recorded, **{reason: o.recorded.get(reason, 0) + 1 for reason in steps}}
        o = replace(o, job=of, now=now, operation=operation, progress=progress, recorded=recorded)
        o = replace(o, operation_since=since)
    raise AssertionError(f"no end in sight in {o.job.status.phase} at {o.now}")
