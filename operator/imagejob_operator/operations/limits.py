"""How many operations run at the same time, and how many of them may take much memory."""

from __future__ import annotations

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import Spec
from imagejob_operator.decision.operation import Clean, Operation, Publish, Stage
from imagejob_operator.documents.source_list import MAX_LISTED
from imagejob_operator.fairness import FairLimiter, Waited, ignore

OPERATIONS = 12
CLEANINGS = 8
"""Cleanings of at most 5,000 outputs: nothing that runs for long delays them."""
DOWNLOADS = 16
"""Stagings from web servers, which may be silent: nothing else waits for them."""
LARGE_OPERATIONS = 2
"""Each may take 270 MiB; a namespace has at most one of them."""
LARGE_CLEANINGS = 1
"""The same for cleanings with a report. They do not wait for publishings, since deletions wait for them."""
SMALL_PUBLISHING = 5_000
"""Outputs of a run whose publishing, or report, takes at most 5 MiB."""
SMALL_STAGING = 30_000
"""Outputs of a run whose staging takes at most 12 MiB."""


class OperationLimits:
    """Divides the operations that may run at the same time between namespaces."""

    def __init__(self, waited: Waited = ignore) -> None:
        self._small = FairLimiter("operations", OPERATIONS, waited)
        self._cleanings = FairLimiter("cleanings", CLEANINGS, waited)
        self._downloads = FairLimiter("download_operations", DOWNLOADS, waited)
        self._large = FairLimiter("large_operations", LARGE_OPERATIONS, waited)
        self._large_cleanings = FairLimiter("large_cleanings", LARGE_CLEANINGS, waited)

    def small(self, job: ImageJob, operation: Operation) -> FairLimiter:
        """The limiter that an operation passes first."""
        if isinstance(operation, Clean):
            return self._cleanings
        return self._downloads if job.downloads and isinstance(operation, Stage) else self._small

    def large(self, operation: Operation) -> FairLimiter:
        """The limiter of a large operation."""
        return self._large_cleanings if isinstance(operation, Clean) else self._large


def is_large(job: ImageJob, operation: Operation) -> bool:
    """Whether an operation may take so much memory that only few may run; the job has its whole spec."""
    spec = job.spec
    if not isinstance(spec, Spec) or (isinstance(operation, Clean) and not operation.report):
        return False
    items = job.status.items.total if job.status.items else _most_items(spec)
    small = SMALL_PUBLISHING if isinstance(operation, Publish | Clean) else SMALL_STAGING
    return items * len(spec.renditions) > small


def _most_items(spec: Spec) -> int:
    """How many items the source may have, before it is read."""
    source = spec.source
    if source.list:
        return MAX_LISTED
    if source.match:
        return source.match.max_items
    return len(source.keys or source.urls or source.inline or ())
