"""The status of an ImageJob as a value."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from imagejob_operator.api.errors import Failure, bounded
from imagejob_operator.api.phase import Phase

MAX_SHARDS = 1000
"""The maximum number of shards of a run, limited by the size of `run.shards.attempts`."""
MAX_COUNT = 2**50
"""The maximum of counts and bytes, so that their sums are 64-bit integers."""

_SPAN = r"[0-9]{1,3}(-[0-9]{1,3})?=[0-9]{1,3}(\+[0-9]{1,3})?x?"
ATTEMPTS = rf"^({_SPAN}(,{_SPAN})*)?\Z"

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
MAX_SECONDS = 2**31
Seconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS)]
Moment = Annotated[datetime, Meta(tz=True)]
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Stanza(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of all parts of the status. Unknown fields are ignored: a newer operator may have written them."""


class ShardStatus(Stanza, frozen=True):
    """Counts of shards; `attempts` in the form of `format_attempts`."""

    total: Annotated[int, Meta(ge=0, le=MAX_SHARDS)] = 0
    succeeded: Count = 0
    failed: Count = 0
    attempts: Annotated[str, Meta(pattern=ATTEMPTS)] = ""


class StagingStore(Stanza, frozen=True, omit_defaults=False):
    """The ImageStore in which a run is staged; `location` is its bucket and staging prefix as a URL."""

    name: str
    uid: str
    location: str = ""


class RunPlace(NamedTuple):
    """What identifies the work on a run: its number, the epoch of its staging, and its uid.

    After etcd was restored, another run may have the same number and epoch, but not the same uid.
    """

    number: int
    epoch: int
    uid: str = ""


class RunStatus(Stanza, frozen=True):
    """The current run. `number` never decreases; `epoch` grows each time the run is staged.

    `uid` identifies the run, also if etcd was restored and its number was used before.
    A queue held all Pods for `queued_seconds` until `released_at`, and still does if `queued_since` is set.
    """

    id: str = ""
    number: Count = 0
    uid: str = ""
    epoch: Count = 0
    started_at: Moment | None = None
    finished_at: Moment | None = None
    duration: str = ""
    suspended_seconds: Seconds = 0
    queued_since: Moment | None = None
    queued_seconds: Seconds = 0
    released_at: Moment | None = None
    store: StagingStore | None = None
    """None for the operator's own store."""
    outcome: str = ""
    shards: ShardStatus | None = None

    @property
    def place(self) -> RunPlace:
        """What identifies its work in this epoch."""
        return RunPlace(self.number, self.epoch, self.uid)

    @property
    def counted_from(self) -> datetime | None:
        """The start of the active deadline: the start of the run plus the time suspended or queued."""
        spent = timedelta(seconds=self.suspended_seconds + self.queued_seconds)
        return self.started_at and self.started_at + spent

    def queued_for(self, now: datetime) -> timedelta:
        """The total time in which a queue held the run."""
        held = now - self.queued_since if self.queued_since else timedelta()
        return timedelta(seconds=self.queued_seconds) + max(timedelta(), held)


class Condition(Stanza, frozen=True, omit_defaults=False):
    """A condition according to the Kubernetes API conventions."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: Moment
    observed_generation: int


class ErrorStatus(Stanza, frozen=True, omit_defaults=False):
    """Why the run failed, see `api.errors`."""

    code: str
    reason: str
    message: str
    fault: str
    retriable: bool
    runbook: str


class ItemCounts(Stanza, frozen=True, omit_defaults=False):
    """Counts of the items that are done; `total` is all items of the run.

    While Pods are running, they are what these report; in the end, the verified results.
    """

    total: Count = 0
    succeeded: Count = 0
    failed: Count = 0
    skipped: Count = 0

    @property
    def finished(self) -> int:
        """Items that are done."""
        return self.succeeded + self.failed + self.skipped


class StagingStatus(Stanza, frozen=True, omit_defaults=False):
    """The staging of the run."""

    prefix: str
    objects: Count = 0
    bytes: Count = 0


class OutputCounts(Stanza, frozen=True, omit_defaults=False):
    """Counts of published objects."""

    objects: Count = 0
    bytes: Count = 0


class FailedItem(Stanza, frozen=True, omit_defaults=False):
    """A failed item."""

    item: str
    code: str
    message: str


class PastRun(Stanza, frozen=True):
    """Summary of a run before the current one; `phase` is its final phase."""

    id: str = ""
    number: Count = 0
    phase: str = ""
    code: str = ""
    reason: str = ""
    started_at: Moment | None = None
    finished_at: Moment | None = None
    items: ItemCounts | None = None
    outputs: OutputCounts | None = None
    report: str = ""


class Status(Stanza, frozen=True):
    """The status; `history` has the newest run first."""

    observed_generation: int = -1
    phase: str = ""
    phase_since: Moment | None = None
    run: RunStatus | None = None
    items_per_shard: Count = 0
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
        """The phase; Pending for a new job."""
        return Phase(self.phase) if self.phase else Phase.PENDING

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type, if set."""
        return next((c for c in self.conditions if c.type == kind), None)


PARTIAL = "SucceededWithFailures"
"""The outcome of a run with failed items within its failurePolicy."""
VALIDATED = "Validated"
"""The outcome of a successful run with mode Validate."""

MAX_FAILURES = 10
MAX_HISTORY = 5


def parse_status(raw: object) -> Status:
    """Parse a status, which an older or newer operator or a user may have written.

    Raises ValueError, or msgspec.ValidationError, if this operator cannot work with it.
    """
    status = msgspec.convert(raw or {}, Status)
    _ = status.at
    if not all(EARLIEST <= moment <= LATEST for moment in _moments(status)):
        raise ValueError(f"the status has a time that is not between {EARLIEST} and {LATEST}")
    return status


def _moments(status: Status) -> Iterator[datetime]:
    run = status.run or RunStatus()
    past = ((one.started_at, one.finished_at) for one in status.history)
    found = (status.phase_since, run.started_at, run.finished_at, run.queued_since, run.released_at)
    yield from filter(None, (*found, *itertools.chain.from_iterable(past)))
    yield from (condition.last_transition_time for condition in status.conditions)


def status_body(status: Status) -> dict[str, object]:
    """The status as sent to the API server."""
    # Through JSON, because tuples would never equal the lists that the API server returns.
    body: dict[str, object] = msgspec.json.decode(msgspec.json.encode(status))
    return body


def with_history(fresh: Status, ended: Status) -> Status:
    """The status of the next run with the ended run as the newest entry of its history."""
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
    """A failure as shown in the status."""
    return ErrorStatus(
        code=failure.code.value,
        reason=failure.reason.value,
        message=bounded(failure.message),
        fault=failure.entry.fault.value,
        retriable=failure.entry.retriable,
        runbook=failure.runbook,
    )


def counted(number: int, noun: str) -> str:
    """A number with its noun: `1 item`, `2 items`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def added_seconds(seconds: int, since: datetime | None, now: datetime) -> int:
    """The seconds plus those since a moment, at most MAX_SECONDS; a clock that was set back adds none."""
    more = int((now - since).total_seconds()) if since else 0
    return min(seconds + max(0, more), MAX_SECONDS)


def duration_text(span: timedelta) -> str:
    """A duration such as `1h2m3s`, `1m3s` or `2s`."""
    seconds = max(0, int(span.total_seconds()))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{seconds}s"
