"""Whether a run could be carried out: everything that it needs is looked at, and nothing is done.

What may be written is asked by writing over an object that is not there: the store refuses who has no right,
and tells all others that there is nothing to write over. So nothing is ever written but the report.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.decision.operation import Validate, Validated
from imagejob_operator.decision.shard_size import items_per_pod
from imagejob_operator.documents.report import ReportCheck, ReportError, encode_report
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.publishing.report import make_report
from imagejob_operator.operations.staging.existing_outputs import plan_items
from imagejob_operator.operations.staging.stage import find_items, folder_of
from imagejob_operator.operations.staging.watermark_images import find_watermark_images, with_identities
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.launcher import Launcher, Refused
from imagejob_operator.ports.object_store import ObjectChanged, ObjectStore, StoreDenied

PROBE = ".imagejob-probe/"
"""A folder in which nobody ever keeps an object; what is asked about lies in it."""

NO_ETAG = "0" * 32
"""The ETag of no object."""


async def validate(
    store: ObjectStore, launcher: Launcher, clock: Clock, job: ImageJob, operation: Validate
) -> Validated:
    """Look at all that a run of the job needs, and write the report of it.

    Raises:
        StoreError: when the store does not answer.
    """
    spec = job.spec
    assert not isinstance(spec, InvalidSpec)  # noqa: S101  (decide validates accepted jobs only)
    looks = _Looks(store, launcher, clock, job, spec, operation)
    checks: list[ReportCheck] = []
    failures: list[Failure] = []
    # In the order in which a run would come to it, so that the first failure is the one it would end with.
    for name, look in looks.all():
        try:
            checks.append(ReportCheck(name, True, await look()))
        except OperationFailed as error:
            failure = error.failure
            failures.append(failure)
            checks.append(ReportCheck(name, False, f"{failure.code} {failure.reason}: {failure.message}"))
    first = failures[0] if failures else None
    report = make_report(job, clock(), "Failed" if first else "Validated", ())
    cause = ReportError(first.code, first.reason, first.message) if first else None
    report = msgspec.structs.replace(report, checks=tuple(checks), error=cause)
    try:
        await store.put(operation.report, encode_report(report), "application/json")
    except StoreDenied as error:
        text = f"the report {operation.report!r} cannot be written: {error}"
        first = first or Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)
    return Validated(looks.items, first)


class _Looks:
    """What is looked at, each as a question that gives a line for the report or the failure of a run."""

    def __init__(
        self,
        store: ObjectStore,
        launcher: Launcher,
        clock: Clock,
        job: ImageJob,
        spec: Spec,
        operation: Validate,
    ) -> None:
        self._store = store
        self._launcher = launcher
        self._clock = clock
        self._job = job
        self._spec = spec
        self._effort = operation
        self.items = 0

    def all(self) -> list[tuple[str, Callable[[], Awaitable[str]]]]:
        """Names and questions, in the order in which a run comes to them."""
        return [
            ("items", self._look_at_items),
            ("staging", self._look_at_staging),
            ("pods", self._look_at_pods),
            ("destination", self._look_at_destination),
        ]

    async def _look_at_items(self) -> str:
        match = self._spec.source.match
        base = folder_of(match.prefix) if match else ""
        try:
            found = await find_items(self._store, self._job, self._spec, base)
            watermark_images = await find_watermark_images(self._store, self._job, self._spec)
            spec = with_identities(self._spec, watermark_images)
            plan = await plan_items(self._store, self._job, spec, found, base)
            self.items = len(found)
            items_per_pod(self._spec.execution, len(plan.wanted))
        except InvalidSpec as error:
            raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, str(error))) from None
        except StoreDenied as error:
            text = f"the store refuses the sources: {error}"
            raise OperationFailed(Failure(Code.STAGING, Reason.ACCESS_DENIED, text)) from None
        text = f"{self.items} items are there, and no two outputs have one key"
        return text + (f"; {len(plan.skipped)} items need not be made" if plan.skipped else "")

    async def _look_at_staging(self) -> str:
        try:
            await self._ask_for_leave(self._effort.prefix)
        except StoreDenied as error:
            text = f"the store refuses to stage below {self._effort.prefix!r}: {error}"
            raise OperationFailed(Failure(Code.STAGING, Reason.ACCESS_DENIED, text)) from None
        return f"the store would take objects below {self._effort.prefix!r}"

    async def _look_at_pods(self) -> str:
        try:
            untold = await self._launcher.rehearse(self._job, self._job.ends_by(self._clock()))
        except Refused as refusal:
            problem = refusal.problem
            text = f"the first Pod would be refused: {problem.message}"
            raise OperationFailed(Failure(Code.LAUNCH, problem.reason, text)) from None
        return f"it cannot be told: {untold}" if untold else "the first Pod and its Secret would be taken now"

    async def _look_at_destination(self) -> str:
        prefix = self._job.outputs_prefix + self._spec.destination.prefix
        try:
            await self._ask_for_leave(prefix)
        except StoreDenied as error:
            text = f"the outputs cannot be written below {prefix!r}: {error}"
            raise OperationFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)) from None
        return f"the store would take outputs below {prefix!r}"

    async def _ask_for_leave(self, prefix: str) -> None:
        """Ask whether objects may be written below a prefix; StoreDenied if not."""
        try:
            await self._store.put_if_match(f"{prefix}{PROBE}none", b"", NO_ETAG, "application/octet-stream")
        except ObjectChanged:
            return
        # A store that does not know conditional writes has written it.
        await self._store.delete_prefix(prefix + PROBE)
