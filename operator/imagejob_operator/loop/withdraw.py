"""Taking back what a run published before it failed: `destination.onFailure: Delete`."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.staging import published_key
from imagejob_operator.loop.concurrency import for_each
from imagejob_operator.loop.headers import RUN, run_mark
from imagejob_operator.loop.reporting import committed_report
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoreDenied

log = logging.getLogger(__name__)

MAX_NOTE_BYTES = 256 * 1024 * 1024


async def note_keys(store: ObjectStore, prefix: str, keys: Sequence[str]) -> None:
    """Note in the staging which keys may be written to from now on; before the first of them is.

    Raises:
        StoreError: when the store fails.
    """
    await store.put(published_key(prefix), msgspec.json.encode(keys), "application/json")


async def withdraw(store: ObjectStore, job: ImageJob, prefix: str, report: str) -> None:
    """Delete what this very run has written to the keys that were noted, unless it was committed after all.

    What older runs or others have written stays; so does what the store forbids to delete.

    Raises:
        StoreError: when the store fails: it can be repeated for as long as the note is there.
    """
    try:
        keys = msgspec.json.decode(await store.read(published_key(prefix), MAX_NOTE_BYTES), type=list[str])
    except (ObjectMissing, msgspec.DecodeError):
        return
    if await committed_report(store, job, report):
        return

    async def is_own(key: str) -> bool:
        try:
            return (await store.stat(key)).metadata.get(RUN) == run_mark(job)
        except ObjectMissing:
            return False

    own = [key for key, yes in zip(keys, await for_each(keys, is_own), strict=True) if yes]
    try:
        await store.delete(own)
    except StoreDenied as error:
        log.warning("outputs cannot be taken back", extra={"job": str(job.key), "error": str(error)})
