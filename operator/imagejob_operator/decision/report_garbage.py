"""When the reports of a deleted ImageJob may be deleted: a while after the garbage collector found it gone.

The key of a report does not name a cluster. A job that this cluster does not have may be one of another
cluster, so the report itself names the operator that wrote it. The time at which the job was found gone is
the modification time of a tombstone beside its reports.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagejob_operator.naming.names import REPORT_ROOT
from imagejob_operator.naming.prefixes import is_report, reports_prefix

_NAMESPACE = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME = r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?"
_FOLDER = re.compile(f"{re.escape(REPORT_ROOT)}/({_NAMESPACE})/({_NAME})/([0-9a-f]{{8}})/")


@dataclass(frozen=True, slots=True)
class ReportFolder:
    """The folder with the reports of one ImageJob, which has a part of its uid."""

    namespace: str
    name: str
    uid_start: str

    @property
    def prefix(self) -> str:
        """The folder, with its '/'."""
        return f"{reports_prefix(self.namespace, self.name)}{self.uid_start}/"

    @property
    def tombstones(self) -> str:
        """The folder of the tombstone that its job is gone, with its '/'."""
        return f"{self.prefix}gone/"

    @property
    def tombstone(self) -> str:
        """The key of the tombstone."""
        return f"{self.tombstones}tombstone.txt"


@dataclass(frozen=True, slots=True)
class FoundReports:
    """What a listing shows of one folder."""

    folder: ReportFolder
    smallest: str = ""
    """The key of the smallest report; empty if there is none."""
    size: int = 0
    """Its bytes."""
    gone_since: datetime | None = None
    """The time of the tombstone."""


def folder_of_report(key: str) -> ReportFolder | None:
    """The folder of a report or tombstone; None for any other key."""
    found = _FOLDER.match(key)
    return ReportFolder(found[1], found[2], found[3]) if found else None


def with_object(known: FoundReports, key: str, size: int, modified_at: datetime) -> FoundReports:
    """What is known of a folder, with one more of its objects."""
    if key == known.folder.tombstone:
        return FoundReports(known.folder, known.smallest, known.size, modified_at)
    if not is_report(key) or (known.smallest and known.size <= size):
        return known
    return FoundReports(known.folder, key, size, known.gone_since)


class Step(enum.StrEnum):
    """What is due for a folder."""

    KEEP = "Keep"
    RESTORE = "Restore"
    BURY = "Bury"
    DELETE = "Delete"


def next_step(found: FoundReports, exists: bool, now: datetime, retention: timedelta) -> Step:
    """What is due; `exists` was determined after the listing, and `now` is the time of the store."""
    if exists:
        # A backup of the cluster was restored.
        return Step.RESTORE if found.gone_since else Step.KEEP
    if found.gone_since is None:
        return Step.BURY if found.smallest else Step.KEEP
    return Step.DELETE if now - found.gone_since >= retention else Step.KEEP


def known_jobs(jobs: Iterable[tuple[str, str, str]]) -> frozenset[ReportFolder]:
    """The folders of jobs with these namespaces, names and uids."""
    return frozenset(ReportFolder(namespace, name, uid[:8]) for namespace, name, uid in jobs)
