"""`imagejob run`: from a manifest and a folder to an exit code."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from imagejob_local.console import Console
from imagejob_local.folder import Folder, FolderUnusable
from imagejob_local.manifest import InvalidManifest, read_manifest
from imagejob_local.run import Interrupted, LocalRun
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.report import MAX_REPORT_BYTES, Report, read_report
from imagejob_operator.ports.object_store import ObjectStore, StoreError
from imagejob_operator.validation.networks import Network, read_networks

SUCCEEDED, FAILED, INVALID = 0, 1, 2


def run(manifest: Path, store: Path, allowed_networks: Sequence[str] = ()) -> int:
    """Run an ImageJob on this machine, with a folder as its store.

    Args:
        manifest: The file with the ImageJob.
        store: The folder with the sources, into which outputs and the report are written.
        allowed_networks: From which sources may be downloaded, besides public addresses, in CIDR notation.

    Returns:
        0 if the run succeeded, 1 if it failed or was cancelled, 2 if an argument or the manifest is invalid.
    """
    logging.basicConfig(format="imagejob: %(levelname)s: %(message)s", level=logging.ERROR)
    try:
        body, networks = read_manifest(manifest), _networks(allowed_networks)
        folder = Folder(store)
    except (InvalidManifest, FolderUnusable) as error:
        sys.stderr.write(f"imagejob: {error}\n")
        return INVALID
    try:
        return asyncio.run(_run(body, folder, networks))
    except Interrupted:
        sys.stderr.write("imagejob: the run was stopped before its cancellation had ended; it has no report\n")
        return FAILED
    finally:
        folder.close()


def _networks(words: Sequence[str]) -> tuple[Network, ...]:
    try:
        return read_networks(words)
    except ValueError as error:
        raise InvalidManifest(f"--allow-network: {error}; use CIDR notation, such as 10.0.0.0/8") from None


async def _run(body: dict[str, object], folder: Folder, networks: Sequence[Network]) -> int:
    console = Console(str(folder.root))
    local = LocalRun(body, folder, console, networks)
    job = await local.run()
    path = str(folder.root / job.status.report) if job.status.report else ""
    console.summary(job, await _report(local.store, job), path)
    return SUCCEEDED if job.status.at is Phase.SUCCEEDED else FAILED


async def _report(store: ObjectStore, job: ImageJob) -> Report | None:
    if not job.status.report:
        return None
    try:
        return read_report(await store.read(job.status.report, MAX_REPORT_BYTES))
    except (StoreError, msgspec.DecodeError):
        return None
