"""One run: the operator's parts, connected to a folder and to child processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime

from imagejob_local.console import Console
from imagejob_local.folder import INSTALLATION, Folder
from imagejob_local.folder_store import FolderStore
from imagejob_local.imagejobs import OneImageJob
from imagejob_local.launcher import ProcessLauncher
from imagejob_local.manifest import Manifest
from imagejob_local.object_server import ObjectServer
from imagejob_local.signatures import Signer
from imagejob_local.stores import FileSecrets, OneStore
from imagejob_operator.adapters.http.downloads import HttpDownloads
from imagejob_operator.api.imagejob import Identity, ImageJob
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.controller.attempt_actions import AttemptActions
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.executor import Executor
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.reconciler import Reconciler
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.decision.observation import Policy
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.validation.networks import Network, SourceNetworks

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)  # noqa: TID251  (the only place where the clock is read)


class Interrupted(Exception):
    """The user has interrupted the cancellation, too."""


class LocalRun:
    """Runs one ImageJob from its manifest to a terminal phase."""

    def __init__(
        self, manifest: Manifest, folder: Folder, console: Console, allowed: Sequence[Network] = ()
    ) -> None:
        """Sources may be downloaded from `allowed` networks, besides public addresses."""
        self._console = console
        self._ended = asyncio.Event()
        self._interrupts = 0
        self._cache = Cache()
        self._queue = WorkQueue(workers=1)
        self.job = OneImageJob(manifest.job, now)
        self.job.changed = self._job_changed
        signer = Signer(now)
        self.store = FolderStore(folder, signer)
        self._server = ObjectServer(self.store.files, signer)
        self._launcher = ProcessLauncher(folder.temporary, now, console.pod_log)
        self._launcher.changed = self._attempt_changed
        self._launcher.gone = self._attempt_gone
        self._downloads = HttpDownloads(SourceNetworks(tuple(allowed)))
        stores = OneStore(self.store)
        downloader = Downloader(self._downloads, FileSecrets(manifest.secrets))
        work = Operations(self.job, stores, self._launcher, downloader, console, now)
        self._operations = OperationRunner(work, self._queue.add, now)
        memories, access = RunMemories(), StoreAccess(self.job, {}, now)
        observer = Observer(self._cache, self._operations, memories, access, Policy(INSTALLATION), now)
        attempts = AttemptActions(self._launcher, stores, self._cache, now, work.fresh)
        executor = Executor(self.job, attempts, self._operations, memories, console, now, work.fresh)
        self._reconciler = Reconciler(self._cache, self._queue, observer, executor, console)

    async def run(self) -> ImageJob:
        """The job in its terminal phase; Interrupted if the user does not wait for it."""
        loop = asyncio.get_running_loop()
        # Those that are ignored, as by nohup, stay ignored.
        handled = [one for one in STOP_SIGNALS if signal.getsignal(one) is not signal.SIG_IGN]
        for number in handled:
            loop.add_signal_handler(number, self._interrupt)
        try:
            await self._server.start()
            self._queue.start(self._reconciler.reconcile)
            self._job_changed(self.job.current)
            await self._ended.wait()
        finally:
            await self._close()
            for number in handled:
                loop.remove_signal_handler(number)
        if self._interrupts > 1:
            raise Interrupted
        return self.job.current

    async def _close(self) -> None:
        await self._queue.stop()
        await self._launcher.close()
        await self._operations.stop()
        await self._downloads.close()
        await self._server.close()

    def _interrupt(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            self._ended.set()
            return
        self._console.line("interrupted: the run is cancelled (interrupt again to stop at once)")
        self.job.cancel()

    def _job_changed(self, job: ImageJob) -> None:
        self._cache.put_job(job)
        self._console.progress(job)
        if job.status.at in TERMINAL and job.status.run and job.status.run.finished_at:
            self._ended.set()
        self._queue.add(job.key)

    def _attempt_changed(self, job: Identity, attempt: Attempt) -> None:
        self._cache.put_attempt(job, attempt)
        self._queue.add(job.key)

    def _attempt_gone(self, job: Identity, attempt: Attempt) -> None:
        self._cache.drop_attempt(job, attempt)
        self._queue.add(job.key)
