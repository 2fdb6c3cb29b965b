"""Long-running work beside the reconcile: which operations there are, and their progress.

A job has at most one operation at a time. A value names it: the same value again is the same operation,
another value replaces it. Each operation can be restarted from what the store holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imagejob_operator.api.errors import Failure
from imagejob_operator.api.status import FailedItem, ItemCounts


@dataclass(frozen=True, slots=True)
class Stage:
    """Copy the sources into `prefix`, the manifest last."""

    prefix: str
    last_try: bool = False
    """Whether a source that its web server does not deliver now is a failed item: there is no retry."""


@dataclass(frozen=True, slots=True)
class Validate:
    """Check whether the run could be carried out, and report what was checked."""

    prefix: str
    """The staging prefix that the run would have."""
    report: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Verify the results, copy the outputs to their final keys, write the report, empty the staging."""

    prefix: str
    report: str
    deadline: datetime
    """When the run's active deadline passes: the report is not written after it."""
    lost: int = 0
    """How many shards failed for good, and so may have no result."""
    tolerated: int = 0
    """How many items may fail."""


@dataclass(frozen=True, slots=True)
class Clean:
    """Empty `prefixes`; before that, write the report of a run that did not succeed, if its key is given."""

    prefixes: tuple[str, ...]
    report: str = ""
    operator: str = ""
    """The operator's staging folder, which the report names."""


@dataclass(frozen=True, slots=True)
class Count:
    """Read how many items the running attempts have done so far."""

    prefix: str
    attempts: tuple[tuple[int, int], ...]
    """Shard and number of each."""
    known: ItemCounts
    """The items of shards that have ended."""
    since: datetime
    """When it was due: each reading is another operation."""


Operation = Validate | Stage | Publish | Clean | Count


@dataclass(frozen=True, slots=True)
class ItemResults:
    """What became of the items of a run, by their verified results."""

    counts: ItemCounts
    failures: tuple[FailedItem, ...] = ()
    """The first ones, as many as the status shows."""


@dataclass(frozen=True, slots=True)
class Working:
    """The operation is under way; in a retry, `last` is why the attempt before failed."""

    last: Failure | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """The operation failed; a transient failure is retried at `retry_at`, a permanent one has None."""

    failure: Failure
    retry_at: datetime | None = None
    results: ItemResults | None = None
    """Known if the results were verified before the failure."""


@dataclass(frozen=True, slots=True)
class Staged:
    """All sources are staged, or cannot be."""

    items: int
    objects: int
    bytes: int
    skipped: int = 0
    """Further items, whose outputs are up to date."""
    failed: int = 0
    """How many of the items could not be staged: their Pods report them as failed."""
    failures: tuple[FailedItem, ...] = ()
    """The first ones of them, as many as the status shows."""
    note: str = ""
    """What is surprising about the spec, though valid."""


@dataclass(frozen=True, slots=True)
class Validated:
    """Everything was checked; `failure` is how a run would fail, None if nothing was found."""

    items: int
    failure: Failure | None = None
    failed: int = 0
    """How many of the items could not be staged."""
    failures: tuple[FailedItem, ...] = ()
    """The first ones of them, as many as the status shows."""


@dataclass(frozen=True, slots=True)
class Published:
    """The report says Succeeded: the run has succeeded."""

    objects: int
    bytes: int
    results: ItemResults
    cleaned: bool
    overwrote: str = ""
    """Which output of another ImageJob was replaced; empty if none was found."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A listing of each prefix came back empty."""

    committed: Published | None = None
    """Set if the run had been published before: its report says Succeeded."""


@dataclass(frozen=True, slots=True)
class Counted:
    """How many items are done, by what the running attempts report. They are not trusted."""

    counts: ItemCounts


Progress = Working | Broken | Validated | Staged | Published | Cleaned | Counted


def last_failure(progress: Progress | None) -> Failure | None:
    """Why an operation failed last, also while it is being retried."""
    match progress:
        case Broken():
            return progress.failure
        case Working():
            return progress.last
        case _:
            return None
