"""A dry run: everything that a run needs is checked, and nothing but the report remains.

All calls are checked by small objects in the staging. Whether outputs may be written is checked by replacing
an object that does not exist: the store denies it to a user without the right, and answers all others that
the condition is not met.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.decision.operation import Validate, Validated
from imagejob_operator.decision.shards import items_per_pod
from imagejob_operator.documents.report import ReportCheck, ReportError, encode_report
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.publishing.report import make_report, outputs_at
from imagejob_operator.operations.staging.plan import plan_items
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.launcher import Launcher, Refused
from imagejob_operator.ports.object_store import ObjectChanged, ObjectStore, StoreDenied
from imagejob_operator.ports.store_calls import NO_ETAG, check_calls

PROBE = ".imagejob-probe/"
"""A folder without objects, in which writing is checked."""


async def validate(
    store: ObjectStore, launcher: Launcher, clock: Clock, job: ImageJob, operation: Validate
) -> Validated:
    """Check everything that a run of the job needs, and write the report."""
    spec = whole_spec(job)
    run = _Checks(store, launcher, job, spec, operation.prefix, job.ends_by(clock()))
    checks: list[ReportCheck] = []
    first: Failure | None = None
    # In the order of a run, so that the first failure is the one that a run would end with.
    for name, check in (
        ("items", run.items),
        ("staging", run.staging),
        ("pods", run.pods),
        ("destination", run.destination),
    ):
        try:
            checks.append(ReportCheck(name, True, await check()))
        except OperationFailed as error:
            if error.transient:
                raise
            failure = error.failure
            first = first or failure
            checks.append(ReportCheck(name, False, f"{failure.code} {failure.reason}: {failure.message}"))
    outcome = "Failed" if first else "Validated"
    report = msgspec.structs.replace(
        make_report(job, clock(), outcome, (), outputs_at(store, job), operation.prefix),
        checks=tuple(checks),
        error=ReportError(first.code, first.reason, first.message) if first else None,
    )
    try:
        await store.put(operation.report, encode_report(report), "application/json")
    except StoreDenied as error:
        text = f"the store denied write access to the report {operation.report!r}: {error}"
        first = first or Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)
    return Validated(run.count, first)


@dataclass(slots=True)
class _Checks:
    """The checks; each returns a line for the report, or raises the failure of a run."""

    _store: ObjectStore
    _launcher: Launcher
    _job: ImageJob
    _spec: Spec
    _prefix: str
    _ends_by: datetime
    count: int = 0
    """How many items were found."""

    async def items(self) -> str:
        try:
            plan = await plan_items(self._store, self._job, self._spec)
            self.count = len(plan.items) + len(plan.skipped)
            items_per_pod(self._spec.execution, len(plan.items))
        except InvalidSpec as error:
            raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, str(error))) from None
        except StoreDenied as error:
            text = f"the store denied read access to the sources: {error}"
            raise OperationFailed(Failure(Code.STAGING, Reason.ACCESS_DENIED, text)) from None
        text = f"found {self.count} items; their output keys are unique"
        return text + (f"; {len(plan.skipped)} items are up to date" if plan.skipped else "")

    async def staging(self) -> str:
        try:
            uploads = await check_calls(self._store, self._prefix)
        except StoreDenied as error:
            text = f"staged objects under {self._prefix!r}: {error}"
            raise OperationFailed(Failure(Code.STAGING, Reason.ACCESS_DENIED, text)) from None
        return f"the store supports all calls; {uploads}"

    async def pods(self) -> str:
        try:
            unknown = await self._launcher.rehearse(self._job, self._ends_by)
        except Refused as refusal:
            problem = refusal.problem
            unanswered = problem.reason is Reason.START_DEADLINE_EXCEEDED
            what = "cannot be checked" if unanswered else "would be rejected"
            text = f"the first Pod {what}: {problem.message}"
            raise OperationFailed(Failure(Code.LAUNCH, problem.reason, text), unanswered) from None
        return f"not checked: {unknown}" if unknown else "the first Pod and its Secret would be accepted"

    async def destination(self) -> str:
        prefix = self._job.outputs_prefix + self._spec.destination.prefix
        try:
            await self._store.put_if_match(f"{prefix}{PROBE}none", b"", NO_ETAG, "application/octet-stream")
            # A store that ignores conditions has written it.
            await self._store.delete_prefix(prefix + PROBE)
        except ObjectChanged:
            pass
        except StoreDenied as error:
            text = f"the store denied write access to outputs under {prefix!r}: {error}"
            raise OperationFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)) from None
        return f"outputs can be written under {prefix!r}"
