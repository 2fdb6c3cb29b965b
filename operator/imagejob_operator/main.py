"""The only wiring: settings, adapters, loop, handlers, Kopf."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import uuid
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never, cast

import kopf

from imagejob_operator.adapters.kube_jobs import KubeJobs
from imagejob_operator.adapters.kube_launcher import KubeLauncher
from imagejob_operator.adapters.kube_lease import KubeLease
from imagejob_operator.adapters.kube_owners import KubeOwners
from imagejob_operator.adapters.kube_session import KubeHTTP, load_configuration, open_session
from imagejob_operator.adapters.logs import set_up_logs
from imagejob_operator.adapters.metrics import Metrics
from imagejob_operator.adapters.minio_lifecycle import NotOffered, keep_expiry_rule
from imagejob_operator.adapters.minio_store import MinioStore, StoreAddress
from imagejob_operator.adapters.pod_manifest import PodSettings
from imagejob_operator.adapters.pod_status import read_attempt
from imagejob_operator.adapters.web import serve
from imagejob_operator.core.effort import Clean, Collect, Effort, Progress, Publish, Stage
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.observation import Policy
from imagejob_operator.handlers.process import register_process
from imagejob_operator.handlers.watch import register_watches
from imagejob_operator.loop.act import Actor
from imagejob_operator.loop.cache import Cache
from imagejob_operator.loop.efforts import Efforts
from imagejob_operator.loop.election import LEASE, Elector, Lost
from imagejob_operator.loop.observe import Observer
from imagejob_operator.loop.publish import clean, publish
from imagejob_operator.loop.reconcile import Reconciler
from imagejob_operator.loop.results import collect
from imagejob_operator.loop.stage import stage
from imagejob_operator.loop.sweep import Sweeper, SweepPolicy
from imagejob_operator.loop.warm import await_warmth
from imagejob_operator.ports.object_store import StoreError
from imagejob_operator.settings import InvalidSettings, Settings, read_settings

log = logging.getLogger(__name__)

EXIT_LOST = 3
"""Exit code of a process that is no longer in charge."""


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the one place where time enters)


async def run(settings: Settings) -> None:  # noqa: PLR0915  (the wiring, in the order of its life)
    """Run the operator until it is told to stop."""
    configuration = await load_configuration()
    cache = Cache()
    # Followers know the jobs as well: only one replica tells of them.
    metrics = Metrics(lambda: cache.jobs() if elector.leads() else ())
    # A session of its own: where all others wait for a free connection, a renewal must not.
    lease_session = open_session(configuration, connections=2)
    lease_http = KubeHTTP(configuration.host, lease_session, metrics.api_call)
    name = f"imagejob-{settings.installation}"
    lease = KubeLease(lease_http, settings.pod_namespace, name, LEASE, now)
    elector = Elector(lease, settings.pod_name)
    metrics.watch_leader(elector.leads)
    store = MinioStore(_address(settings), metrics.store_call)
    session = open_session(configuration)
    http = KubeHTTP(configuration.host, session, metrics.api_call)
    jobs = KubeJobs(http, now)
    pods = PodSettings(settings.installation, settings.processor_image, settings.processor_pull_policy)
    launcher = KubeLauncher(http, pods, now)

    async def work(job: ImageJob, effort: Effort) -> Progress:
        match effort:
            case Stage():
                return await stage(store, metrics, job, effort)
            case Collect():
                return await collect(store, job, effort)
            case Publish():
                return await publish(store, now, job, effort)
            case Clean():
                return await clean(store, now, job, effort)
            case _:
                assert_never(effort)

    efforts = Efforts(work, lambda key: reconciler.queue.add(key), now)
    owners = KubeOwners(http)
    sweeper = Sweeper(store, owners, metrics.sweep, now, _sweep_policy(settings), elector.leads)
    observer = Observer(cache, efforts, jobs, now, _policy(settings), settings.namespace_selector)
    actor = Actor(jobs, launcher, store, metrics, cache, now)
    reconciler = Reconciler(cache, observer, actor, efforts, jobs, metrics, now, elector.leads)

    async def drain() -> None:
        await reconciler.queue.stop()
        await sweeper.stop()
        await efforts.close()
        # Only now: until the last write has landed, nobody else may begin.
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        await elector.release()

    registry = kopf.OperatorRegistry()
    register_process(
        registry,
        lambda: kopf.AiohttpSession(
            server=configuration.host, aiohttp_session=open_session(configuration, connections=16)
        ),
        settings.installation,
        drain,
    )
    register_watches(registry, cache, reconciler.queue, read_attempt, settings.installation)
    ready = asyncio.Event()

    async def lead() -> None:
        await await_warmth(cache, owners, settings.watch_namespaces)
        ready.set()
        await elector.gain()
        for job in cache.jobs():
            reconciler.queue.add(job.key)
        sweeper.start()
        expiring = asyncio.create_task(_expire_staging(settings))
        try:
            await elector.keep()
        finally:
            expiring.cancel()

    web = await serve(settings.http_port, metrics.registry, ready.is_set)
    await _see_pods(launcher, cache, settings)
    # Started before Kopf, or Kopf would end its tasks as left over when it stops.
    reconciler.queue.start()
    leading = asyncio.create_task(_or_end(lead()))
    try:
        await kopf.operator(
            registry=registry,
            # Else Kopf asks for the user's name, and in a container the user is a number without one.
            identity=cast("Any", name),
            standalone=True,
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
        )
    finally:
        await drain()
        await lease_session.close()
        await web.cleanup()
        await session.close()
        store.close()


def _policy(settings: Settings) -> Policy:
    return Policy(
        installation=settings.installation,
        cleaning_budget=timedelta(seconds=settings.cleaning_budget_seconds),
        start_grace=timedelta(seconds=settings.start_grace_seconds),
    )


def _sweep_policy(settings: Settings) -> SweepPolicy:
    return SweepPolicy(
        installation=settings.installation,
        instance=str(uuid.uuid4()),
        mode=settings.sweep_mode,
        interval=settings.sweep_interval_seconds,
        namespaces=settings.watch_namespaces,
    )


async def _see_pods(launcher: KubeLauncher, cache: Cache, settings: Settings) -> None:
    """See all Pods at once.

    The watch tells nobody when it has told all: without this a job could be cleaned while its Pods run.
    """
    async for pod in launcher.present(settings.watch_namespaces):
        found = read_attempt(pod)
        if found:
            cache.put_attempt(*found)


async def _or_end(leading: Awaitable[None]) -> None:
    """Take part in the election for as long as that goes well.

    Else the process ends at once and in no good order: turns and efforts under way must not go on beside
    those of whoever is in charge now.
    """
    try:
        await leading
    except Lost as error:
        log.critical("the lease is lost, this process ends", extra={"why": str(error)})
        os._exit(EXIT_LOST)
    except Exception:
        log.critical("the election failed unexpectedly, this process ends", exc_info=True)
        os._exit(EXIT_LOST)


async def _expire_staging(settings: Settings) -> None:
    """Set the bucket's own rule. The sweeper does not rest on it, so that it fails is no reason to stop."""
    if not settings.lifecycle_rule:
        return
    try:
        new = await asyncio.to_thread(keep_expiry_rule, _address(settings), settings.installation)
    except NotOffered as error:
        log.info("the store offers no lifecycle rules", extra={"answer": str(error)})
    except StoreError as error:
        log.warning("the lifecycle rule of staging cannot be set", extra={"error": str(error)})
    else:
        log.info("the lifecycle rule of staging %s", "was set" if new else "is as it should be")


def _address(settings: Settings) -> StoreAddress:
    return StoreAddress(
        endpoint=settings.store_endpoint,
        bucket=settings.store_bucket,
        access_key=settings.store_access_key,
        secret_key=settings.store_secret_key,
        secure=settings.store_secure,
        region=settings.store_region,
        pod_endpoint=settings.store_pod_endpoint,
    )


def main() -> int:
    """The program; 0 when it was told to stop, 2 when its settings are wrong, 3 when it lost the lease."""
    try:
        settings = read_settings(os.environ)
    except InvalidSettings as error:
        sys.stderr.write(f"imagejob-operator: {error}\n")
        return 2
    set_up_logs(settings.log_level)
    log.info("starting", extra={"installation": settings.installation, "bucket": settings.store_bucket})
    asyncio.run(run(settings))
    log.info("stopped")
    return 0
