"""From actions to calls. Each is idempotent; an error becomes something that the next turn sees."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

from imagejob_contract.result import MAX_RESULT_BYTES, Summary
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.observer import RunMemory
from imagejob_operator.decision.action import (
    Action,
    AddFinalizer,
    DeleteJob,
    DeliverOrder,
    Launch,
    ReadEvents,
    RecordEvent,
    ReleaseFinalizer,
    StopAttempt,
)
from imagejob_operator.decision.attempt import Attempt, Problem, Remark
from imagejob_operator.documents.results import InvalidResult, read_result, summarise
from imagejob_operator.documents.staging import order_key, result_key
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.processing.orders import lifetime, write_order
from imagejob_operator.ports.imagejobs import Conflict, Gone, Jobs, Rejected
from imagejob_operator.ports.launcher import Launcher, Refused
from imagejob_operator.ports.object_store import ObjectMissing, StoreError
from imagejob_operator.ports.stores import Stores
from imagejob_operator.ports.telemetry import Telemetry

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]


class Executor:
    """Carries out the actions of one decision, in their order; launches and stops side by side."""

    def __init__(
        self,
        jobs: Jobs,
        launcher: Launcher,
        stores: Stores,
        telemetry: Telemetry,
        cache: Cache,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._launcher = launcher
        self._stores = stores
        self._telemetry = telemetry
        self._cache = cache
        self._clock = clock

    async def act(self, job: ImageJob, actions: tuple[Action, ...], memory: RunMemory) -> ImageJob | None:
        """Carry out the actions; the job as it is then, None if it is gone.

        Raises:
            JobsError: when a write on the job, its Events or its attempts fails; the turn is repeated.
        """
        current: ImageJob | None = job
        side_by_side: list[Launch | DeliverOrder | StopAttempt] = []
        for action in actions:
            match action:
                case Launch() | DeliverOrder() | StopAttempt():
                    side_by_side.append(action)
                case AddFinalizer():
                    current = await self._guard(job, memory)
                case ReleaseFinalizer():
                    current = await self._release(job, action)
                case ReadEvents(attempt):
                    said = await self._launcher.remark(attempt, job.key.namespace)
                    memory.remarks[attempt.uid] = Remark(said, self._clock())
                case RecordEvent():
                    await self._jobs.record_event(job, action)
                case DeleteJob():
                    await self._jobs.delete(current or job)
                case _:
                    assert_never(action)

        async def one(action: Launch | DeliverOrder | StopAttempt) -> None:
            await self._act_on_attempt(job, action, memory)

        await for_each(side_by_side, one)
        return current

    async def _guard(self, job: ImageJob, memory: RunMemory) -> ImageJob:
        try:
            return await self._jobs.add_finalizer(job)
        except Rejected as error:
            # A schema that became stricter than the job: the next turn says so on the job itself.
            memory.rejected = str(error)
            raise Conflict(str(error)) from error

    async def _release(self, job: ImageJob, action: ReleaseFinalizer) -> ImageJob | None:
        if action.deferred:
            self._telemetry.deferred(action.deferred)
            extra = {"job": str(job.key), "uid": job.uid, "reason": action.deferred.value}
            log.warning("released before staging was empty", extra=extra)
        try:
            return await self._jobs.remove_finalizer(job)
        except Gone:
            return None

    async def _act_on_attempt(
        self, job: ImageJob, action: Launch | DeliverOrder | StopAttempt, memory: RunMemory
    ) -> None:
        match action:
            case StopAttempt(attempt):
                await self._launcher.stop(attempt, job.key.namespace)
                self._cache.stopping(job.uid, attempt)
            case DeliverOrder(attempt, prefix):
                await self._deliver(job, attempt, prefix, memory)
            case Launch(prefix, shard, number):
                try:
                    await self._launch(job, prefix, shard, number, memory)
                    memory.accept(shard)
                except Refused as refusal:
                    memory.refuse(shard, refusal.problem, self._clock())
                except StoreError as error:
                    text = f"the order of the Pod cannot be written: {error}"
                    memory.refuse(shard, Problem(Reason.START_DEADLINE_EXCEEDED, text), self._clock())

    async def _launch(self, job: ImageJob, prefix: str, shard: int, number: int, memory: RunMemory) -> None:
        store = await self._stores.of(job)
        try:
            # A Pod that is gone may have done its work: the truth about that is in the store.
            result = read_result(await store.read(result_key(prefix, shard), MAX_RESULT_BYTES), shard)
            memory.results[shard] = summarise(result)
            return
        except ObjectMissing:
            pass
        except InvalidResult:
            # It is the one that counts, so the shard has ended; what it is worth is judged with the others.
            memory.results[shard] = Summary()
            return
        ends_by = job.ends_by(self._clock())
        live = lifetime(self._clock(), job.ends_at_the_latest(self._clock()))
        url = await write_order(store, job, prefix, shard, number, live)
        attempt = await self._launcher.launch(job, shard, number, ends_by)
        self._cache.put_attempt(job.uid, attempt)
        await self._launcher.deliver(attempt, job.key.namespace, url, self._stores.ca_bundle(job))
        self._cache.delivered(job.uid, attempt)

    async def _deliver(self, job: ImageJob, attempt: Attempt, prefix: str, memory: RunMemory) -> None:
        live = lifetime(self._clock(), job.ends_at_the_latest(self._clock()))
        try:
            store = await self._stores.of(job)
            url = store.sign_get(order_key(prefix, attempt.shard, attempt.number), live)
            await self._launcher.deliver(attempt, job.key.namespace, url, self._stores.ca_bundle(job))
        except Refused as refusal:
            log.warning("the order was refused", extra={"job": str(job.key), "error": str(refusal)})
            memory.refuse(attempt.shard, refusal.problem, self._clock())
            return
        except StoreError as error:
            text = f"the order of the Pod cannot be signed: {error}"
            memory.refuse(attempt.shard, Problem(Reason.START_DEADLINE_EXCEEDED, text), self._clock())
            return
        memory.accept(attempt.shard)
        self._cache.delivered(job.uid, attempt)
