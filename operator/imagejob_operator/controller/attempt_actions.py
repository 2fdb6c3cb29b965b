"""Launching and stopping attempts, and delivering their orders. A refusal is remembered, never raised."""

from __future__ import annotations

import logging
from typing import assert_never

from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.run_memory import RunMemory
from imagejob_operator.decision.action import DeliverOrder, Launch, StopAttempt
from imagejob_operator.decision.attempt import Attempt, Problem, Remark
from imagejob_operator.decision.shards import ordered_items
from imagejob_operator.documents.results import InvalidResult, summarise
from imagejob_operator.documents.staging import order_key
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import lifetime, write_order
from imagejob_operator.operations.processing.results import shard_result
from imagejob_operator.operations.reports import committed_report
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.launcher import Launcher, Refused
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoreError
from imagejob_operator.ports.stores import Stores

log = logging.getLogger(__name__)

AttemptAction = Launch | DeliverOrder | StopAttempt


class AttemptActions:
    """Carries out actions on attempts; each is idempotent."""

    def __init__(
        self, launcher: Launcher, stores: Stores, cache: Cache, clock: Clock, fresh: FreshRuns
    ) -> None:
        self._launcher = launcher
        self._stores = stores
        self._cache = cache
        self._clock = clock
        self._fresh = fresh

    async def act(self, job: ImageJob, action: AttemptAction, memory: RunMemory) -> None:
        """Carry out one action."""
        match action:
            case StopAttempt(attempt):
                await self._stop(job, attempt)
                return
            case Launch(shard=shard):
                work, verb = self._launch(job, action, memory), "written"
            case DeliverOrder(attempt):
                shard, work, verb = attempt.shard, self._deliver_again(job, action), "signed"
            case _:
                assert_never(action)
        try:
            await work
            memory.accept(shard)
        except Refused as refusal:
            extra = {"job": str(job.key), "shard": shard, "error": str(refusal)}
            log.warning("attempt refused, retrying", extra=extra)
            memory.refuse(shard, refusal.problem, self._clock(), refusal.retry_after)
        except StoreError as error:
            text = f"the order (task description) of the Pod cannot be {verb}: {error}"
            memory.refuse(shard, Problem(Reason.START_DEADLINE_EXCEEDED, text), self._clock())

    async def read_events(self, job: ImageJob, attempt: Attempt, memory: RunMemory) -> None:
        """Read the Events of an attempt that does not start."""
        text = await self._launcher.remark(attempt, job.key.namespace)
        memory.remarks[attempt.uid] = Remark(text, self._clock())

    async def _stop(self, job: ImageJob, attempt: Attempt) -> None:
        try:
            await self._launcher.stop(attempt, job.key.namespace)
        except JobsError as error:
            extra = {"job": str(job.key), "uid": job.uid, "pod": attempt.name, "error": str(error)}
            log.warning("Pod could not be deleted, retrying", extra=extra)
            self._cache.stop_refused(job.identity, attempt, str(error), self._clock())
        else:
            self._cache.stopping(job.identity, attempt)

    async def _launch(self, job: ImageJob, action: Launch, memory: RunMemory) -> None:
        prefix, shard = action.prefix, action.shard
        store = await self._stores.of(job)
        known = None
        if not self._fresh.is_first_launch(prefix, shard):
            known = await _known_result(store, job, prefix, shard)
        if known:
            memory.results[shard] = known
            return
        ends_by = job.ends_by(self._clock())
        live = lifetime(self._clock(), job.ends_at_the_latest(self._clock()))
        try:
            head = self._fresh.manifest(prefix) or await manifest_head(store, prefix)
            url = await write_order(store, job, head, action, live)
        except ObjectMissing:
            if not await _published(store, job):
                raise
            # Publishing adopts the report.
            memory.results[shard] = Summary()
            return
        attempt = await self._launcher.launch(job, shard, action.number, ends_by)
        self._cache.put_attempt(job.identity, attempt)
        await self._deliver(job, attempt, url)

    async def _deliver_again(self, job: ImageJob, action: DeliverOrder) -> None:
        attempt = action.attempt
        live = lifetime(self._clock(), job.ends_at_the_latest(self._clock()))
        store = await self._stores.of(job)
        await self._deliver(
            job, attempt, store.sign_get(order_key(action.prefix, attempt.shard, attempt.number), live)
        )

    async def _deliver(self, job: ImageJob, attempt: Attempt, url: str) -> None:
        await self._launcher.deliver(attempt, job.key.namespace, url, self._stores.ca_bundle(job))
        self._cache.delivered(job.identity, attempt)


async def _known_result(store: ObjectStore, job: ImageJob, prefix: str, shard: int) -> Summary | None:
    """What a Pod of an earlier attempt left, which may be gone and have finished: only the store knows."""
    try:
        result, _ = await shard_result(store, job, prefix, shard, ordered_items(job.status, shard))
    except ObjectMissing:
        return None
    except InvalidResult:
        # The first result counts, so the shard has ended; collecting the results reports what is wrong.
        return Summary()
    return summarise(result)


async def _published(store: ObjectStore, job: ImageJob) -> bool:
    """Whether an earlier process has published the run and emptied its staging, and its status is older."""
    run = job.status.run
    if run is None:
        return False
    key = report_key(job.key.namespace, job.key.name, job.uid, run.number, run.uid)
    return await committed_report(store, job, key) is not None
