"""How many operations run at the same time, and how many of them may take much memory."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.decision.operation import Clean, Operation, Publish
from imagejob_operator.documents.source_list import MAX_LISTED
from imagejob_operator.fairness import FairLimiter, Waited, ignore, working_for

OPERATIONS = 32
LARGE_OPERATIONS = 2
"""Each may take 270 MiB; one namespace has at most one of the two."""
SMALL_PUBLISHING = 5_000
"""Outputs of a run whose publishing, or report, takes at most 5 MiB."""
SMALL_STAGING = 30_000
"""Outputs of a run whose staging takes at most 12 MiB."""


class OperationLimits:
    """Divides the operations that may run between namespaces. Cleaning has its own share."""

    def __init__(self, waited: Waited = ignore) -> None:
        self._all = FairLimiter("operations", OPERATIONS, waited)
        self._large = FairLimiter("large_operations", LARGE_OPERATIONS, waited)

    @contextlib.asynccontextmanager
    async def slot(self, job: ImageJob, operation: Operation) -> AsyncIterator[None]:
        """Hold a slot for an operation of a job."""
        purpose = "cleaning" if isinstance(operation, Clean) else "run"
        async with contextlib.AsyncExitStack() as slots:
            slots.enter_context(working_for(job.key.namespace, purpose))
            if is_large(job, operation):
                await slots.enter_async_context(self._large.slot())
            await slots.enter_async_context(self._all.slot())
            yield


def is_large(job: ImageJob, operation: Operation) -> bool:
    """Whether an operation may take more memory than many others at the same time."""
    spec = job.spec
    if isinstance(spec, InvalidSpec):
        return False
    if isinstance(operation, Clean) and not operation.report:
        return False
    found = job.status.items.total if job.status.items else most_items(spec)
    small = SMALL_PUBLISHING if isinstance(operation, Publish | Clean) else SMALL_STAGING
    return found * len(spec.renditions) > small


def most_items(spec: Spec) -> int:
    """How many items the source may have, before it is read."""
    source = spec.source
    if source.list:
        return MAX_LISTED
    if source.match:
        return source.match.max_items
    return len(source.keys or source.urls or source.inline or ())
