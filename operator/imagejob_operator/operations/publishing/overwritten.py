"""Outputs of other ImageJobs that a run replaces: two jobs that write the same keys."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.documents.report import ReplacedOutput
from imagejob_operator.naming.prefixes import reports_folder
from imagejob_operator.operations.object_metadata import job_hash, other_job
from imagejob_operator.ports.object_store import ObjectStore, StoredObject, StoreError

MAX_CHECKED = 1000
"""Outputs of a run for which a request is made only to find the writer of the object that they replace."""
MAX_JOBS = 10_000
"""Names of jobs that are compared with the writer."""


@dataclass(slots=True)
class Overwritten:
    """Finds the first output, by its key, that replaces one of another ImageJob."""

    job: ImageJob
    first: ReplacedOutput | None = None
    _checked: int = 0

    def is_checked(self) -> bool:
        """Whether a request may be made for the next output."""
        self._checked += 1
        return self._checked <= MAX_CHECKED

    def see(self, key: str, there: StoredObject) -> str:
        """Note the object that is about to be replaced; the other job that wrote it, by its metadata."""
        other = other_job(self.job, there)
        if other and (self.first is None or key < self.first.key):
            self.first = ReplacedOutput(key, other)
        return other

    async def named(self, store: ObjectStore) -> ReplacedOutput | None:
        """The output, with the name of the other job if that is one of the namespace that has a report."""
        if self.first is None:
            return None
        folder, compared = reports_folder(self.job.key.namespace), 0
        try:
            async for found in store.folders(folder):
                name, compared = found.removeprefix(folder).removesuffix("/"), compared + 1
                if job_hash(Key(self.job.key.namespace, name)) == self.first.writer:
                    return ReplacedOutput(self.first.key, self.first.writer, name)
                if compared == MAX_JOBS:
                    break
        except StoreError:
            pass  # the name is not worth a failure of the run
        return self.first


def overwrote_text(replaced: ReplacedOutput | None) -> str:
    """The message of the condition; empty if nothing was replaced."""
    if replaced is None:
        return ""
    other = (
        f"the ImageJob {replaced.job!r}" if replaced.job else "another ImageJob, which has no report here,"
    )
    return (
        f"{replaced.key!r} replaced an output of {other}; if that is not intended, use different values of "
        "spec.destination.prefix, or set spec.destination.overwrite to Never"
    )
