"""From a manifest and a folder to lines on the terminal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from imagejob_local.console import Console, ConsoleHandler
from imagejob_local.folder import Folder
from imagejob_local.manifest import InvalidManifest, Manifest, read_manifest
from imagejob_local.run import Interrupted, LocalRun
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.report import MAX_REPORT_BYTES, Report, read_report
from imagejob_operator.ports.object_store import ObjectStore, StoreError
from imagejob_operator.validation.networks import Network, read_networks


def execute(manifest: Path, store: Path, allowed_networks: Sequence[str]) -> bool:
    """Run an ImageJob; whether it succeeded. Raises InvalidManifest or FolderUnusable."""
    read, networks = read_manifest(manifest), _networks(allowed_networks)
    folder = Folder(store)
    try:
        return asyncio.run(_run(read, folder, networks))
    finally:
        folder.close()


def _networks(words: Sequence[str]) -> tuple[Network, ...]:
    try:
        return read_networks(words)
    except ValueError as error:
        raise InvalidManifest(f"--allow-network: {error}; use CIDR notation, such as 10.0.0.0/8") from None


async def _run(manifest: Manifest, folder: Folder, networks: Sequence[Network]) -> bool:
    console = Console(str(folder.root))
    logging.getLogger("imagejob_operator").handlers[:] = [ConsoleHandler(console)]
    local = LocalRun(manifest, folder, console, networks)
    try:
        job = await local.run()
    except Interrupted:
        console.line("stopped before the cancellation had ended; there is no report")
        return False
    report = await _report(local.store, job)
    console.summary(job, report, str(folder.root / job.status.report) if report else "")
    return job.status.at is Phase.SUCCEEDED


async def _report(store: ObjectStore, job: ImageJob) -> Report | None:
    if not job.status.report:
        return None
    try:
        return read_report(await store.read(job.status.report, MAX_REPORT_BYTES))
    except (StoreError, msgspec.DecodeError):
        return None
