"""Long work beside the turn: what may be asked, and how it stands.

A job has at most one operation at a time. A value names it; asking for the same value again is
the same operation, asking for another one ends it. What an operation knows is lost when the operator ends:
each can be started again from what the store holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from imagejob_operator.api.errors import Failure
from imagejob_operator.api.status import FailedItem


@dataclass(frozen=True, slots=True)
class Stage:
    """Copy the sources into `prefix`, the manifest last."""

    prefix: str


@dataclass(frozen=True, slots=True)
class Validate:
    """Look whether the run could be carried out; its report says what was looked at."""

    prefix: str
    """Where its staging would lie."""
    report: str


@dataclass(frozen=True, slots=True)
class Collect:
    """Read the results of all shards and hold them against the store's own listing."""

    prefix: str
    lost: int = 0
    """How many shards were given up: so many may be without a result."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Copy the outputs to their final keys, write the report, empty the staging."""

    prefix: str
    report: str
    deadline: datetime
    """When the run's active deadline passes: the report is not written after it."""
    lost: int = 0


@dataclass(frozen=True, slots=True)
class Clean:
    """Empty `prefixes`; before that, write the report of a run that did not succeed."""

    prefixes: tuple[str, ...]
    report: str = ""
    """Key of the report to write first; none if empty."""


Operation = Validate | Stage | Collect | Publish | Clean


@dataclass(frozen=True, slots=True)
class Working:
    """It is on its way; if it is being tried again, `last` is why it failed before."""

    last: Failure | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """It ended with an error; if the error may pass, it is tried again at `retry_at`."""

    failure: Failure
    retry_at: datetime | None = None
    """None: trying again is of no use."""


@dataclass(frozen=True, slots=True)
class Staged:
    """All sources are staged."""

    items: int
    objects: int
    bytes: int
    skipped: int = 0
    """Items beside those, which need not be made."""


@dataclass(frozen=True, slots=True)
class Validated:
    """All was looked at; `failure` is how a run would end, None if nothing stands in its way."""

    items: int
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """All results are read and right."""

    succeeded: int
    failed: int
    failures: tuple[FailedItem, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """The report says Succeeded: the run has succeeded."""

    objects: int
    bytes: int
    cleaned: bool


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A list of each prefix came back empty."""

    committed: Published | None = None
    """The report was there already and says Succeeded."""


Progress = Working | Broken | Validated | Staged | Collected | Published | Cleaned


def last_failure(progress: Progress | None) -> Failure | None:
    """Why an operation failed last, also while it is being tried again."""
    match progress:
        case Broken():
            return progress.failure
        case Working():
            return progress.last
        case _:
            return None
