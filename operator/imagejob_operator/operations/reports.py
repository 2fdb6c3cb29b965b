"""The reports that runs of one ImageJob, or of one that had its name before, have left."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from imagejob_operator.api.imagejob import Key
from imagejob_operator.documents.report import MAX_REPORT_BYTES, Report, read_report
from imagejob_operator.naming.prefixes import reports_prefix
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject

MOST_LISTED = 10_000
"""Reports that are looked at for the newest ones."""
MOST_READ = 5


async def recent_reports(store: ObjectStore, key: Key) -> AsyncIterator[Report]:
    """The newest reports, the newest first; what cannot be read is passed over.

    Raises:
        StoreError: when the store fails.
    """
    found: list[StoredObject] = []
    async for stored in store.walk(reports_prefix(key.namespace, key.name)):
        found.append(stored)
        if len(found) == MOST_LISTED:
            break
    for stored in sorted(found, key=lambda stored: stored.modified_at, reverse=True)[:MOST_READ]:
        try:
            yield read_report(await store.read(stored.key, MAX_REPORT_BYTES))
        except (ObjectMissing, msgspec.DecodeError):
            continue
