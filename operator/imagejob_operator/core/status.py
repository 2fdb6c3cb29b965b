"""The status of an ImageJob as a value, and the one place where conditions are made."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from imagejob_operator.core.failure import Failure, bounded
from imagejob_operator.core.phase import TERMINAL, UNDOING, Phase


class Stanza(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all parts of the status. Unknown fields are passed over: a newer operator may have written."""


class ShardStatus(Stanza, frozen=True):
    """Shards of the run: in all, finished, given up; `attempts` as `format_tries` writes them."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    attempts: str = ""


class RunStatus(Stanza, frozen=True):
    """The current run. `number` never goes back; `epoch` grows with each new staging of the run.

    `suspended_seconds` are those of all suspensions that are over.
    """

    id: str = ""
    number: int = 0
    epoch: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: str = ""
    suspended_seconds: int = 0
    shards: ShardStatus | None = None

    @property
    def counted_from(self) -> datetime | None:
        """From when on the active deadline counts: the start, moved by the time that was suspended."""
        return self.started_at and self.started_at + timedelta(seconds=self.suspended_seconds)


class Condition(Stanza, frozen=True, omit_defaults=False):
    """A condition as the Kubernetes API conventions have it."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int


class ErrorStatus(Stanza, frozen=True, omit_defaults=False):
    """Why the run failed: see the catalogue of codes."""

    code: str
    reason: str
    message: str
    fault: str
    retriable: bool
    runbook: str


class ItemCounts(Stanza, frozen=True, omit_defaults=False):
    """Items of finished shards, and all items of the run."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def finished(self) -> int:
        """Items whose fate is known."""
        return self.succeeded + self.failed + self.skipped


class StagingStatus(Stanza, frozen=True, omit_defaults=False):
    """What was staged, and where."""

    prefix: str
    objects: int = 0
    bytes: int = 0


class OutputCounts(Stanza, frozen=True, omit_defaults=False):
    """What was published."""

    objects: int = 0
    bytes: int = 0


class FailedItem(Stanza, frozen=True, omit_defaults=False):
    """One failed item; the report has them all."""

    item: str
    code: str
    message: str


class Status(Stanza, frozen=True):
    """All of `status`."""

    observed_generation: int = -1
    phase: str = ""
    phase_since: datetime | None = None
    run: RunStatus | None = None
    items_per_shard: int = 0
    conditions: tuple[Condition, ...] = ()
    error: ErrorStatus | None = None
    items: ItemCounts | None = None
    progress: str = ""
    staging: StagingStatus | None = None
    outputs: OutputCounts | None = None
    report: str = ""
    failures: tuple[FailedItem, ...] = ()

    @property
    def at(self) -> Phase:
        """The phase; an unseen job is Pending."""
        return Phase(self.phase) if self.phase else Phase.PENDING

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type, if it is there."""
        return next((c for c in self.conditions if c.type == kind), None)


MAX_FAILURES = 10


def parse_status(raw: object) -> Status:
    """Read a status that this operator, or an older or newer one, wrote.

    Raises:
        msgspec.ValidationError: if it is not one.
    """
    return msgspec.convert(raw or {}, Status)


def status_body(status: Status) -> dict[str, object]:
    """The status as the API server takes it."""
    # Over JSON: as values, tuples would never equal the lists that the API server sends.
    body: dict[str, object] = msgspec.json.decode(msgspec.json.encode(status))
    return body


def error_status(failure: Failure) -> ErrorStatus:
    """What people read of a failure."""
    return ErrorStatus(
        code=failure.code.value,
        reason=failure.reason.value,
        message=bounded(failure.message),
        fault=failure.entry.fault.value,
        retriable=failure.entry.retriable,
        runbook=failure.runbook,
    )


def duration_text(span: timedelta) -> str:
    """A span as people read it: `1h2m3s`, `1m3s`, `2s`."""
    seconds = max(0, int(span.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"


# --- conditions ----------------------------------------------------------------------------------------

_MILESTONES: dict[str, tuple[Phase, str]] = {
    # condition: (the phase from which on it is True, the code that makes it False)
    "Accepted": (Phase.STAGING, "JOB_001"),
    "Staged": (Phase.LAUNCHING, "JOB_002"),
    "Launched": (Phase.RUNNING, "JOB_003"),
    "Processed": (Phase.PUBLISHING, "JOB_005"),
}
_ORDER = [Phase.PENDING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING, Phase.SUCCEEDED]


def with_conditions(
    status: Status, before: Status, now: datetime, note: str = "", cleaned: bool | None = None
) -> Status:
    """The status with all its conditions, made from phase and error alone.

    Args:
        status: the wanted status, conditions not yet made.
        before: the status as it stands; times of unchanged conditions are taken from it.
        now: the time of this turn.
        note: what is being waited for, shown while the job is on its way.
        cleaned: whether staging is known to be empty; None while nobody has tried.
    """
    same = before.run and status.run and _place(before.run) == _place(status.run)
    kept = {c.type: c for c in before.conditions} if same else {}
    if status.at is Phase.SUSPENDED:
        # What the run had reached was given up with its staging.
        kept = {kind: kept[kind] for kind in ("Accepted", "StagingCleaned") if kind in kept}
    facts: list[tuple[str, str, str, str]] = [*_summary(status, note)]
    for kind, (since, code) in _MILESTONES.items():
        reached = status.at in _ORDER and _ORDER.index(status.at) >= _ORDER.index(since)
        held = reached or (kind in kept and kept[kind].status == "True")
        own = status.error is not None and status.error.code == code
        # What was reached stays reached, but for Accepted: a collision of keys shows only in the listing.
        if status.error and own and (kind == "Accepted" or not held):
            facts.append((kind, "False", status.error.reason, status.error.message))
        elif held:
            facts.append((kind, "True", kind, ""))
    facts.extend(_cleaning(status, kept.get("StagingCleaned"), cleaned))
    made = tuple(
        _condition(fact, {c.type: c for c in before.conditions}, now, status.observed_generation)
        for fact in facts
    )
    return msgspec.structs.replace(status, conditions=made)


def _place(run: RunStatus) -> tuple[int, int]:
    return run.number, run.epoch


def _summary(status: Status, note: str) -> list[tuple[str, str, str, str]]:
    phase, error = status.at, status.error
    message = bounded(note) or (error.message if error else "")
    if phase not in TERMINAL:
        open_ = [("Finished", "False", phase.value, ""), ("Succeeded", "Unknown", phase.value, "")]
        if phase is Phase.SUSPENDED:
            return [("Ready", "False", phase.value, message), *open_]
        return [
            ("Ready", "False", "Progressing", message),
            ("Reconciling", "True", phase.value, message),
            *open_,
        ]
    if phase is Phase.SUCCEEDED:
        return [(kind, "True", "Succeeded", "") for kind in ("Ready", "Finished", "Succeeded")]
    reason = error.reason if error else phase.value
    text = f"{error.code}: {error.message}" if error else ""
    return [
        ("Ready", "False", reason if phase is Phase.FAILED else phase.value, bounded(text)),
        ("Stalled", "True", reason, bounded(text)),
        ("Finished", "True", phase.value, ""),
        ("Succeeded", "False", reason, bounded(text)),
    ]


def _cleaning(
    status: Status, kept: Condition | None, cleaned: bool | None
) -> list[tuple[str, str, str, str]]:
    if cleaned is None and kept is not None and kept.reason != "InProgress":
        return [("StagingCleaned", kept.status, kept.reason, kept.message)]
    if cleaned:
        return [("StagingCleaned", "True", "Cleaned", "")]
    if cleaned is False:
        return [
            ("StagingCleaned", "False", "Deferred", "staging could not be emptied yet; it is tried again")
        ]
    if status.at in UNDOING or (status.at is Phase.SUSPENDED and status.staging):
        return [("StagingCleaned", "False", "InProgress", "")]
    return []


def _condition(
    fact: tuple[str, str, str, str], before: dict[str, Condition], now: datetime, generation: int
) -> Condition:
    kind, value, reason, message = fact
    old = before.get(kind)
    since = old.last_transition_time if old and old.status == value else now
    return Condition(
        type=kind,
        status=value,
        reason=reason,
        message=message,
        last_transition_time=since,
        observed_generation=generation,
    )
