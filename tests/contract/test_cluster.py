"""The ports Jobs and Launcher: the fake and a real API server keep the same promises."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from contract.cluster_benches import MemoryBench, ServerBench
from contract.cluster_checks import CHECKS, Check
from fakes.memory_cluster import MemoryCluster
from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.status import Status
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.decision.attempt import Attempt

checks = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)


@checks
async def test_the_fake(check: Check) -> None:
    await check(MemoryBench())


@pytest.fixture
async def server(kube: KubeHTTP, namespace: str) -> ServerBench:
    """A namespace with its service account."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    try:
        await kube.request("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    return ServerBench(kube, namespace)


@pytest.mark.cluster
@pytest.mark.timeout(900)
@checks
async def test_an_api_server(check: Check, server: ServerBench) -> None:
    await check(server)


# --- the checks find what is broken ------------------------------------------------------------------------


class WritesOverChanges(MemoryCluster):
    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        return await super().write_status(self.job(job.key) or job, status)


class GuardsOverChanges(MemoryCluster):
    async def add_finalizer(self, job: ImageJob) -> ImageJob:
        return await super().add_finalizer(self.job(job.key) or job)


class FreesOverChanges(MemoryCluster):
    async def remove_finalizer(self, job: ImageJob) -> ImageJob | None:
        return await super().remove_finalizer(self.job(job.key) or job)


class DeletesWhateverIsThere(MemoryCluster):
    async def delete(self, job: ImageJob) -> None:
        await super().delete(self.job(job.key) or job)


class SaysThingsTwice(MemoryCluster):
    async def record_event(self, job: ImageJob, event: RecordEvent) -> None:
        self.events[job.uid, len(self.events), event.reason] = event


class StopsByName(MemoryCluster):
    async def stop(self, attempt: Attempt, namespace: str) -> None:
        self.take_away(namespace, attempt.name)


class LaunchesAgain(MemoryCluster):
    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        for _, attempt in self.attempts():
            self.take_away(job.key.namespace, attempt.name)
        return await super().launch(job, shard, number, ends_by)


class ReadsWhateverIsThere(MemoryCluster):
    async def whole(self, job: ImageJob) -> ImageJob:
        return await super().whole(self.job(job.key) or job)


class MergesStatuses(MemoryCluster):
    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        kept = {name: getattr(job.status, name) for name in ("error", "run", "failures")}
        added = {name: value for name, value in kept.items() if value and not getattr(status, name)}
        return await super().write_status(job, msgspec.structs.replace(status, **added))


BROKEN = {
    WritesOverChanges: "a_status_is_not_written_over_a_change",
    GuardsOverChanges: "a_finalizer_is_not_put_on_what_has_changed",
    FreesOverChanges: "a_finalizer_is_not_taken_off_what_has_changed",
    DeletesWhateverIsThere: "exactly_this_job_is_deleted",
    SaysThingsTwice: "an_event_is_written_once_for_a_run_and_reason",
    StopsByName: "stopping_never_hits_a_successor",
    LaunchesAgain: "an_attempt_is_launched_once",
    ReadsWhateverIsThere: "the_whole_spec_is_read_of_exactly_this_job",
    MergesStatuses: "a_status_takes_away_what_it_no_longer_says",
}


@pytest.mark.parametrize(("broken", "finds"), BROKEN.items(), ids=[kind.__name__ for kind in BROKEN])
async def test_a_broken_cluster_is_found(broken: type[MemoryCluster], finds: str) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await CHECKS[finds](MemoryBench(broken))
