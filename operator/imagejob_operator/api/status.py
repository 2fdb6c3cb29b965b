"""The status of an ImageJob as a value."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.errors import Failure, bounded
from imagejob_operator.api.phase import Phase


class Stanza(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all parts of the status. Unknown fields are passed over: a newer operator may have written."""


class ShardStatus(Stanza, frozen=True):
    """Shards of the run: in all, finished, given up; `attempts` as `format_attempts` writes them."""

    total: int = 0
    succeeded: int = 0
    failed: int = 0
    attempts: str = ""


class StagingStore(Stanza, frozen=True, omit_defaults=False):
    """The ImageStore in which a run is staged; `location` is its bucket and place of staging, as a URL."""

    name: str
    uid: str
    location: str = ""


class RunStatus(Stanza, frozen=True):
    """The current run. `number` never goes back; `epoch` grows with each new staging of the run.

    `suspended_seconds` are those of all suspensions that are over, `queued_seconds` those in which a queue
    held back all that was launched; it does since `queued_since`, or let go last at `released_at`.
    `store` is the ImageStore with the run's staging, None for the operator's own store;
    `outcome` is how the run succeeded, where that was not the plain way.
    """

    id: str = ""
    number: int = 0
    epoch: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: str = ""
    suspended_seconds: int = 0
    queued_since: datetime | None = None
    queued_seconds: int = 0
    released_at: datetime | None = None
    store: StagingStore | None = None
    outcome: str = ""
    shards: ShardStatus | None = None

    @property
    def counted_from(self) -> datetime | None:
        """From when on the active deadline counts: the start, moved by the time suspended or queued."""
        spent = timedelta(seconds=self.suspended_seconds + self.queued_seconds)
        return self.started_at and self.started_at + spent

    def queued_for(self, now: datetime) -> timedelta:
        """How long a queue has been holding the run back by now, in all."""
        held = now - self.queued_since if self.queued_since else timedelta()
        return timedelta(seconds=self.queued_seconds) + held


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


class PastRun(Stanza, frozen=True):
    """A run before the current one, in short; `phase` is the one it ended in, its report has the rest."""

    id: str = ""
    number: int = 0
    phase: str = ""
    code: str = ""
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    items: ItemCounts | None = None
    outputs: OutputCounts | None = None
    report: str = ""


class Status(Stanza, frozen=True):
    """All of `status`; the newest of the `history` comes first."""

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
    history: tuple[PastRun, ...] = ()

    @property
    def at(self) -> Phase:
        """The phase; an unseen job is Pending."""
        return Phase(self.phase) if self.phase else Phase.PENDING

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type, if it is there."""
        return next((c for c in self.conditions if c.type == kind), None)


PARTIAL = "SucceededWithFailures"
"""The outcome of a run that succeeded although items failed: as many as its failurePolicy admits."""

VALIDATED = "Validated"
"""The outcome of a run that was only to be tried out: nothing stands in its way, and nothing was done."""

MAX_FAILURES = 10
MAX_HISTORY = 5


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


def with_history(fresh: Status, ended: Status) -> Status:
    """The status of the next run, with the one that has ended as the newest of its history."""
    run, error = ended.run or RunStatus(), ended.error
    past = PastRun(
        id=run.id,
        number=run.number,
        phase=ended.phase,
        code=error.code if error else "",
        reason=error.reason if error else run.outcome,
        started_at=run.started_at,
        finished_at=run.finished_at,
        items=ended.items,
        outputs=ended.outputs,
        report=ended.report,
    )
    return msgspec.structs.replace(fresh, history=(past, *ended.history)[:MAX_HISTORY])


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
