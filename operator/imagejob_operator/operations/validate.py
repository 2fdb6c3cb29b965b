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
from imagejob_operator.api.status import MAX_FAILURES
from imagejob_operator.decision.operation import Validate, Validated
from imagejob_operator.decision.shards import items_per_pod
from imagejob_operator.decision.unstaged import item_error, too_many_unstaged
from imagejob_operator.documents.report import ReportCheck, ReportError, ReportItem, encode_report
from imagejob_operator.naming.prefixes import folder_of
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.operations.failed import OperationFailed, denied, failed_item
from imagejob_operator.operations.publishing.report import make_report, outputs_at
from imagejob_operator.operations.staging.plan import Plan, plan_items
from imagejob_operator.operations.staging.sources import UnstagedSource
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
            checks.append(ReportCheck(name, True, await check(), run.reported(name)))
        except OperationFailed as error:
            if error.transient:
                raise
            failure = error.failure
            first = first or failure
            text = f"{failure.code} {failure.reason}: {failure.message}"
            checks.append(ReportCheck(name, False, text, run.reported(name)))
    outcome = "Failed" if first else "Validated"
    report = msgspec.structs.replace(
        make_report(job, clock(), outcome, (), outputs_at(store, job), folder_of(operation.prefix)),
        checks=tuple(checks),
        error=ReportError(first.code, first.reason, first.message) if first else None,
    )
    try:
        await store.put(operation.report, encode_report(report), "application/json")
    except StoreDenied as error:
        text = f"the store denied write access to the report {operation.report!r}"
        first = first or denied(Code.PUBLISH, text, error)
    return run.found(first)


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
    unstaged: tuple[ReportItem, ...] = ()
    """Those that cannot be staged."""

    def found(self, failure: Failure | None = None) -> Validated:
        """What was found."""
        first = [failed_item(item.source, item.error) for item in self.unstaged[:MAX_FAILURES] if item.error]
        return Validated(self.count, failure, len(self.unstaged), tuple(first))

    def reported(self, check: str) -> tuple[ReportItem, ...]:
        """The items that the report lists with a check."""
        return self.unstaged if check == "items" else ()

    async def items(self) -> str:
        try:
            plan = await plan_items(self._store, self._job, self._spec)
            self.count = len(plan.items) + len(plan.skipped)
            self.unstaged = await compute(_unstaged, plan)
            items_per_pod(self._spec.execution, len(plan.items))
        except InvalidSpec as error:
            raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, str(error))) from None
        except StoreDenied as error:
            text = "the store denied read access to the sources"
            raise OperationFailed(denied(Code.STAGING, text, error)) from None
        if failure := too_many_unstaged(self.found(), self.count, self._spec.failure_policy):
            raise OperationFailed(failure)
        text = f"found {self.count} items; their output keys are unique"
        if self.unstaged:
            text += f"; {len(self.unstaged)} of them cannot be staged, which spec.failurePolicy allows"
        if plan.skipped:
            text += f"; {len(plan.skipped)} items are up to date"
        return "; ".join(filter(None, [text, plan.note]))

    async def staging(self) -> str:
        try:
            uploads = await check_calls(self._store, self._prefix)
        except StoreDenied as error:
            text = f"staged objects under {self._prefix!r}"
            raise OperationFailed(denied(Code.STAGING, text, error)) from None
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
            text = f"the store denied write access to outputs under {prefix!r}"
            raise OperationFailed(denied(Code.PUBLISH, text, error)) from None
        return f"outputs can be written under {prefix!r}"


def _unstaged(plan: Plan) -> tuple[ReportItem, ...]:
    """The items of a plan that cannot be staged, with their errors."""
    sources = [source for _, source in plan.items if isinstance(source, UnstagedSource)]
    return tuple(ReportItem(source.name, 0, error=item_error(source.failure)) for source in sources)
