"""Carries out operations, as many at the same time as their limits allow."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.decision.operation import (
    Clean,
    Count,
    Counted,
    Operation,
    Progress,
    Publish,
    Stage,
    Validate,
)
from imagejob_operator.fairness import working_for
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.limits import OperationLimits, is_large
from imagejob_operator.operations.processing.progress import count
from imagejob_operator.operations.publishing.publish import clean, publish
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.operations.validate import validate
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Jobs, JobsError, read_whole
from imagejob_operator.ports.launcher import Launcher
from imagejob_operator.ports.object_store import StoreError
from imagejob_operator.ports.stores import Stores
from imagejob_operator.ports.telemetry import Telemetry
from imagejob_operator.validation.pod_template_policy import NOTHING_ALLOWED, PodTemplatePolicy


@dataclass(frozen=True, slots=True)
class Operations:
    """All operations, with their ports."""

    jobs: Jobs
    stores: Stores
    launcher: Launcher
    downloader: Downloader
    telemetry: Telemetry
    clock: Clock
    limits: OperationLimits = field(default_factory=OperationLimits)
    allowed: PodTemplatePolicy = NOTHING_ALLOWED
    fresh: FreshRuns = field(default_factory=FreshRuns)

    async def __call__(self, job: ImageJob, operation: Operation) -> Progress:
        """Carry out one operation; raises OperationFailed, or StoreError if it is to be retried."""
        if isinstance(operation, Count):
            # Short, and as many as the budget of all progress: it does not wait behind long operations.
            try:
                with working_for(job.key.namespace, "progress"):
                    return await self._carry_out(job, operation)
            except StoreError:
                return Counted(operation.known)
        # Cleaning must not wait for staging in its own namespace.
        with working_for(job.key.namespace, "cleaning" if isinstance(operation, Clean) else "run"):
            async with self.limits.small(job, operation).slot():
                whole = await self._whole(job, operation)
                if not is_large(whole, operation):
                    return await self._carry_out(whole, operation)
            del whole  # while it waits
            async with self.limits.large(operation).slot():
                return await self._carry_out(await self._whole(job, operation), operation)

    async def _carry_out(self, job: ImageJob, operation: Operation) -> Progress:
        store = await self.stores.of(job)
        if isinstance(operation, Validate | Stage):
            self._check_template(job)
        match operation:
            case Validate():
                return await validate(store, self.launcher, self.clock, job, operation)
            case Stage():
                return await stage(store, self.downloader, self.telemetry, self.fresh, job, operation)
            case Publish():
                return await publish(store, self.clock, self.fresh, job, operation)
            case Clean():
                return await clean(store, self.clock, self.fresh, job, operation)
            case Count():
                return await count(store, job, operation)
            case _:
                assert_never(operation)

    def _check_template(self, job: ImageJob) -> None:
        """Fail with JOB_001, before anything is staged, if the podTemplate is not allowed."""
        if why := self.allowed.refusal(whole_spec(job).execution.pod_template):
            raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, why))

    async def _whole(self, job: ImageJob, operation: Operation) -> ImageJob:
        """The job with its whole spec, which is kept only while the operation runs."""
        if isinstance(operation, Clean) and not operation.report:
            return job
        try:
            return await read_whole(self.jobs, job)
        except JobsError as error:
            text = f"the spec of the ImageJob cannot be read: {error}"
            failure = Failure(Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED, text)
            if isinstance(operation, Publish):
                failure = Failure(Code.PUBLISH, Reason.STORE_UNAVAILABLE, text)
            raise OperationFailed(failure, transient=True) from error
