"""The only wiring: settings, adapters, loop, handlers, Kopf."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, assert_never, cast

import kopf

from imagejob_operator.adapters.kube_jobs import KubeJobs
from imagejob_operator.adapters.kube_launcher import KubeLauncher
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
from imagejob_operator.loop.observe import Observer
from imagejob_operator.loop.publish import clean, publish
from imagejob_operator.loop.reconcile import Reconciler
from imagejob_operator.loop.results import collect
from imagejob_operator.loop.stage import stage
from imagejob_operator.loop.sweep import Sweeper, SweepPolicy
from imagejob_operator.ports.object_store import StoreError
from imagejob_operator.settings import InvalidSettings, Settings, read_settings

log = logging.getLogger(__name__)


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the one place where time enters)


async def run(settings: Settings) -> None:
    """Run the operator until it is told to stop."""
    configuration = await load_configuration()
    cache = Cache()
    metrics = Metrics(cache.jobs)
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
    sweeper = Sweeper(store, KubeOwners(http), metrics.sweep, now, _sweep_policy(settings))
    observer = Observer(cache, efforts, jobs, now, _policy(settings), settings.namespace_selector)
    actor = Actor(jobs, launcher, store, metrics, cache, now)
    reconciler = Reconciler(cache, observer, actor, efforts, jobs, metrics, now)

    registry = kopf.OperatorRegistry()
    register_process(
        registry,
        lambda: kopf.AiohttpSession(
            server=configuration.host, aiohttp_session=open_session(configuration, connections=16)
        ),
        settings.installation,
    )
    register_watches(registry, cache, reconciler.queue, read_attempt, settings.installation)
    ready = asyncio.Event()
    web = await serve(settings.http_port, metrics.registry, ready.is_set)
    # The watch tells nobody when it has told all: without this a job could be cleaned while its Pods run.
    async for pod in launcher.present(settings.watch_namespaces):
        found = read_attempt(pod)
        if found:
            cache.put_attempt(*found)
    # Started before Kopf, or Kopf would end its tasks as left over when it stops.
    reconciler.queue.start()
    sweeper.start()
    expiring = asyncio.create_task(_expire_staging(settings))
    try:
        await kopf.operator(
            registry=registry,
            # Else Kopf asks for the user's name, and in a container the user is a number without one.
            identity=cast("Any", f"imagejob-{settings.installation}"),
            standalone=True,
            clusterwide=not settings.watch_namespaces,
            namespaces=settings.watch_namespaces,
            ready_flag=ready,
        )
    finally:
        expiring.cancel()
        await sweeper.stop()
        await reconciler.queue.stop()
        await efforts.close()
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
    """The program; 0 when it was told to stop, 2 when its settings are wrong."""
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
