"""From a manifest and a folder to lines on the terminal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

import msgspec

from imagejob.errors import FileFailed
from imagejob.html_file import check_html_file
from imagejob_local.console import Console, ConsoleHandler
from imagejob_local.folder import Folder
from imagejob_local.gallery import write_gallery
from imagejob_local.manifest import InvalidManifest, Manifest, read_manifest
from imagejob_local.run import Interrupted, LocalRun
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.report import MAX_REPORT_BYTES, Report, read_report
from imagejob_operator.ports.object_store import ObjectStore, StoreError
from imagejob_operator.validation.networks import Network, read_networks


def execute(manifest: Path, store: Path, allowed_networks: Sequence[str], gallery: Path | None) -> bool:
    """Run an ImageJob; whether it succeeded, and its gallery was written if one is asked for.

    Raises InvalidManifest, FolderUnusable or Invalid before the run begins.
    """
    read, networks = read_manifest(manifest), _networks(allowed_networks)
    if gallery:
        check_html_file(gallery, "--gallery")
    folder = Folder(store)
    try:
        return asyncio.run(_run(read, folder, networks, gallery))
    finally:
        folder.close()


def _networks(words: Sequence[str]) -> tuple[Network, ...]:
    try:
        return read_networks(words)
    except ValueError as error:
        raise InvalidManifest(f"--allow-network: {error}; use CIDR notation, such as 10.0.0.0/8") from None


async def _run(manifest: Manifest, folder: Folder, networks: Sequence[Network], gallery: Path | None) -> bool:
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
    written = _write_gallery(console, report, folder, gallery) if gallery else True
    return job.status.at is Phase.SUCCEEDED and written


def _write_gallery(console: Console, report: Report | None, folder: Folder, gallery: Path) -> bool:
    """Write the gallery and show its path, or why there is none; whether it was written."""
    if not report:
        console.row("gallery", "none, because the run has no report")
        return False
    try:
        console.row("gallery", str(write_gallery(report, folder, gallery)))
    except FileFailed as error:
        console.row("gallery", f"none: {error}")
        return False
    return True


async def _report(store: ObjectStore, job: ImageJob) -> Report | None:
    if not job.status.report:
        return None
    try:
        return read_report(await store.read(job.status.report, MAX_REPORT_BYTES))
    except (StoreError, msgspec.DecodeError):
        return None
