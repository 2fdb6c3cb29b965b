"""The limits that decision 22 lists are those of the code, and a cancelled reconcile ends in time."""

from __future__ import annotations

import re
from pathlib import Path

from imagejob_contract.result import MAX_RESULT_BYTES
from imagejob_operator.adapters.http.downloads import Bounds
from imagejob_operator.adapters.http.guarded_connector import LOOKUPS
from imagejob_operator.adapters.kubernetes.session import API_CALLS, POD_CALLS
from imagejob_operator.adapters.s3.deadline import CALL, PACE
from imagejob_operator.adapters.s3.store import THREADS
from imagejob_operator.adapters.s3.web_identity import _THREADS
from imagejob_operator.controller.executor import ATTEMPTS_SECONDS
from imagejob_operator.controller.workqueue import MAX_RECONCILE_SECONDS, RECONCILE_SECONDS, Queues
from imagejob_operator.documents.staging import MAX_PART_BYTES
from imagejob_operator.fairness import COMPUTING_THREADS
from imagejob_operator.operations.limits import (
    CLEANINGS,
    DOWNLOADS,
    LARGE_CLEANINGS,
    LARGE_OPERATIONS,
    OPERATIONS,
)
from imagejob_operator.stores.registry import CHECK_SECONDS

PAGE = Path(__file__).parents[2] / "docs/contributors/decisions/0022-fair-shares.md"
LONGEST_STORE_CALL = CALL + max(MAX_RESULT_BYTES, MAX_PART_BYTES) / PACE
"""Seconds of a call in a reconcile; it runs in a thread, which cannot be cancelled."""


def test_the_page_lists_the_slots() -> None:
    listed = dict(re.findall(r"^\| `([a-z_]+)`[^|]*\| ([0-9]+) \|", PAGE.read_text(), re.MULTILINE))
    assert {name: int(slots) for name, slots in listed.items()} == {
        "downloads": Bounds().concurrent,
        "large_downloads": Bounds().large_concurrent,
        "lookups": LOOKUPS,
        "store_calls": THREADS,
        "api_calls": API_CALLS,
        "pod_calls": POD_CALLS,
        "computing": COMPUTING_THREADS,
        "token_exchanges": _THREADS._max_workers,
        "operations": OPERATIONS,
        "cleanings": CLEANINGS,
        "download_operations": DOWNLOADS,
        "large_operations": LARGE_OPERATIONS,
        "large_cleanings": LARGE_CLEANINGS,
    }


def test_the_page_names_the_workers_and_the_time_limits() -> None:
    text, queues = PAGE.read_text(), Queues()
    workers = ", ".join(str(queue._workers) for queue in queues)
    assert f"| workers of ImageJobs, of ImageStores | {workers} |" in text
    assert f"cancelled after {RECONCILE_SECONDS:.0f} seconds" in text
    assert f"after {ATTEMPTS_SECONDS:.0f} seconds" in text


def test_a_cancelled_reconcile_ends_before_the_watch_monitor_ends_the_process() -> None:
    assert ATTEMPTS_SECONDS < RECONCILE_SECONDS
    assert CHECK_SECONDS < RECONCILE_SECONDS
    assert RECONCILE_SECONDS + LONGEST_STORE_CALL < MAX_RECONCILE_SECONDS
