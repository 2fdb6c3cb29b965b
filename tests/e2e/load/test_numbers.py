"""Many jobs and a store that is away: the operator releases all of them, and one sweep cleans what is left.

A real API server, a real store and the shipped operator; the sweeps run in this process, so that there is
exactly one of them, with a store whose clock is two hours on. IMAGEJOB_E2E_MANY says how many jobs.
"""

from __future__ import annotations

import asyncio
import io
import os
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config

from demo.stack import NAMESPACE, OPERATOR, store_keys
from e2e.faults.arena import store_proxy
from e2e.faults.store_faults import cut, refused, written_later
from e2e.faults.store_proxy import Rule, StoreProxy
from e2e.world import GROUP, PLURAL, STAGING, VERSION, Job, Shop, World, condition, image_job, phase, until
from fakes.memory_owners import GarbageCounts
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, open_session
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision.garbage import clock_key
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.naming.prefixes import own_staging_prefix, staging_folder, staging_prefix
from imagejob_operator.ports.credentials import Credentials
from localcluster.cluster import Status

MANY = int(os.environ.get("IMAGEJOB_E2E_MANY", "200"))
KEPT = max(20, MANY // 5)
BUDGET = 8
INSTALLATION = "demo"
LATER = written_later(2 * 3600)
AT_ONCE = 16

Sweep = Callable[[KubeOwners, S3Store], Awaitable[None]]


@pytest.fixture
def proxy(world: World, where: Status) -> Iterator[StoreProxy]:
    """The operator with a proxy before its store, and a short cleaning budget."""
    with store_proxy(world, where.host_address, IMAGEJOB_CLEANING_BUDGET_SECONDS=str(BUDGET)) as made:
        yield made


class Crowd:
    """Many jobs of one namespace that admits no Pod."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._jobs = shop.world.objects
        shop.set_quota(pods="0")
        self._keys = shop.upload_photos("china.jpg")

    def create(self, count: int, prefix: str, **execution: Any) -> None:
        def one(number: int) -> None:
            body = image_job({"keys": self._keys}, name=f"{prefix}-{number}", execution=execution)
            self._jobs.create_namespaced_custom_object(GROUP, VERSION, self.shop.name, PLURAL, body)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, range(count)))

    def all(self) -> list[Job]:
        found: list[Job] = self._jobs.list_namespaced_custom_object(GROUP, VERSION, self.shop.name, PLURAL)[
            "items"
        ]
        return found

    def await_phase(self, wanted: str, seconds: float) -> None:
        def others() -> Counter[str]:
            return Counter(phase(job) for job in self.all() if phase(job) != wanted)

        until(f"all {wanted}", lambda: not others(), seconds, lambda: str(others()))

    def delete(self) -> None:
        self._jobs.delete_collection_namespaced_custom_object(GROUP, VERSION, self.shop.name, PLURAL)

    def staged(self) -> int:
        return len(self.shop.staging())


@pytest.fixture
def crowd(shop: Shop) -> Crowd:
    return Crowd(shop)


@pytest.mark.conformance
@pytest.mark.timeout(1200, func_only=True)
def test_an_outage_in_numbers(crowd: Crowd, proxy: StoreProxy, figures: list[str]) -> None:
    left = _delete_in_an_outage(crowd, proxy, figures)
    with ExitStack() as broken:
        broken.enter_context(proxy.rule(Rule(refused(503, "SlowDown"), ("delete",))))
        crowd.create(KEPT, "kept", startDeadlineSeconds=3)
        crowd.await_phase("Failed", seconds=60 + KEPT)
        deferred = sum(condition(job, "StagingCleaned") == "False" for job in crowd.all())
        assert deferred == KEPT
        with _no_operator(crowd.shop.world):
            broken.close()
            assert crowd.staged() >= left + 2 * KEPT
            _sweep_it_all(crowd, proxy, figures)


def _delete_in_an_outage(crowd: Crowd, proxy: StoreProxy, figures: list[str]) -> int:
    """How many objects are left in staging by it."""
    crowd.create(MANY, "deleted", startDeadlineSeconds=3600)
    crowd.await_phase("Launching", seconds=60 + MANY)
    until("every order is written", lambda: crowd.staged() >= 3 * MANY, 60 + MANY)
    with proxy.rule(Rule(cut)):
        before, begun = crowd.staged(), time.monotonic()
        crowd.delete()
        until("all are gone", lambda: not crowd.all(), 3 * BUDGET + MANY, lambda: f"{len(crowd.all())} left")
        took = time.monotonic() - begun
    left = crowd.staged()
    deferred = sum(event.reason == "CleaningDeferred" for event in crowd.shop.events())
    figures.append(
        f"{MANY} ImageJobs deleted during a store outage: {len(crowd.all())} wedged, all gone after "
        f"{took:.0f} s (cleaning budget {BUDGET} s), {deferred} deferred, "
        f"{left} of {before} staged objects left"
    )
    assert (deferred, left) == (MANY, before)
    return left


def _sweep_it_all(crowd: Crowd, proxy: StoreProxy, figures: list[str]) -> None:
    """While no operator runs: the sweep, beside the staging of another installation and cluster."""
    world = crowd.shop.world
    cluster = world.cluster_uid
    folder = staging_folder(INSTALLATION, cluster)
    strangers = (staging_folder("other", cluster), staging_folder(INSTALLATION, str(uuid.uuid4())))
    theirs = sorted(staging_prefix(one, crowd.shop.name, str(uuid.uuid4()), 1, 1) + "x" for one in strangers)
    before = {key.split("/")[1] for key in world.store.keys(STAGING)} - {folder}
    for key in theirs:
        world.store.client.put_object(world.store.bucket, key, io.BytesIO(b"theirs"), 6)
    counts = GarbageCounts()
    # Tests before this one may have left deferred cleaning as well.
    total = sum(key != clock_key(folder) for key in world.store.keys(own_staging_prefix(folder)))

    async def sweep(owners: KubeOwners, store: S3Store) -> None:
        assert await owners.cluster_uid() == cluster
        collector = GarbageCollector(store, owners, counts, GarbagePolicy(folder))
        with proxy.rule(Rule(LATER, ("stat",), (clock_key(folder),))):
            left = await collector.sweep()
        assert left is not None
        untouched = sum(key in crowd.shop.staging() for key in theirs)
        figures.append(
            f"one sweep of {total} objects of {MANY} deleted and {KEPT} failed and kept ImageJobs: "
            f"{counts.deleted_objects} swept, {crowd.staged() - untouched} left; of another installation "
            f"and of another cluster: {untouched} of 2 left, {left.foreign - len(before)} folders counted"
        )
        assert (counts.deleted_objects, counts.failures) == (total, 0)
        assert sorted(crowd.shop.staging()) == theirs
        assert left.foreign == len(before) + 2

    try:
        _with_owners(world, proxy, sweep)
    finally:
        for key in theirs:
            world.store.client.remove_object(world.store.bucket, key)


def _with_owners(world: World, proxy: StoreProxy, work: Sweep) -> None:
    """Do something with the operator's own adapters, against the real servers."""
    access, hidden = store_keys(world.kubectl)

    async def main() -> None:
        configuration = aio.Configuration()
        path = str(world.kubectl.kubeconfig)
        await aio_config.load_kube_config(config_file=path, client_configuration=configuration)
        store = S3Store(
            StoreLocation(proxy.address, world.store.bucket, secure=False),
            lambda: Credentials(access, hidden),
        )
        async with open_session(configuration) as session:
            await work(KubeOwners(KubeHTTP(configuration.host, session, lambda *call: None)), store)
        store.close()

    asyncio.run(main())


def _no_operator(world: World) -> ExitStack:
    """The operator is away for a while."""
    cleanup = ExitStack()
    scale = ("scale", "-n", NAMESPACE, f"deployment/{OPERATOR}")
    world.kubectl(*scale, "--replicas=0")
    cleanup.callback(world.await_operator)
    cleanup.callback(world.kubectl, *scale, "--replicas=1")
    selector = f"app.kubernetes.io/name={OPERATOR}"
    until(
        "no operator",
        lambda: not world.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items,
        60,
    )
    return cleanup
