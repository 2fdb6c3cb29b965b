"""A tenant who can write to the bucket writes reports: each is used as it is, or it is none."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import example, given

from fakes.build import KEY, PREFIX, RUN_UID, UID, job, later, seen, status
from fakes.clock import ManualClock
from fakes.memory_store import MemoryStore
from hostile.generators_bytes import REPORTS
from hostile.generators_objects import metadata, refused, schema_of
from imagejob_operator.api.imagejob import parse_whole_job
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import status_body
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.operation import Publish
from imagejob_operator.documents.report import Report
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.operations import reports
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.publishing.publish import publish

JOB = job(status(Phase.PUBLISHING))
AT = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)
STATUS = schema_of("imagejob")["properties"]["status"]


async def read(data: bytes) -> tuple[Report | None, list[Report]]:
    store = MemoryStore(ManualClock())
    store.set(AT, data)
    recent = [report async for report in reports.recent_reports(store, KEY)]
    return await reports.committed_report(store, JOB, AT), recent


def checked_report(data: bytes) -> None:
    """A report that commits the run is its own, and its figures fit into the status."""
    committed, recent = asyncio.run(read(data))
    assert committed is None or committed in recent
    if committed is None:
        return
    assert (committed.uid, committed.run_id, committed.run, committed.run_uid) == (UID, "1", 1, RUN_UID)
    assert committed.outcome == "Succeeded"
    store = MemoryStore(ManualClock())
    store.set(AT, data)
    operation = Publish(PREFIX, AT, later(3600))
    published = asyncio.run(publish(store, ManualClock(), FreshRuns(), JOB, operation))
    decision = decide(seen(JOB, operation=operation, progress=published))
    assert decision.status.at is Phase.SUCCEEDED
    written = json.loads(json.dumps(status_body(decision.status), default=str))
    assert list(refused(STATUS, written, "status")) == []
    again = parse_whole_job({"metadata": metadata(), "spec": {}, "status": written})
    assert again.status.outputs == decision.status.outputs


HEAD = (
    f'{{"job":"spring","uid":"{UID}","runId":"1","run":1,"runUid":"{RUN_UID}","outcome":"Succeeded",'
    '"writtenAt":"2026-01-01T12:00:00Z","items":['
)
OUTPUT = f'{{"rendition":"a","key":"a","type":"a","width":1,"height":1,"sha256":"{"0" * 64}","bytes":'


@given(REPORTS)
@example(f"{HEAD}]}}".encode())
@example(f'{HEAD}{{"source":"a","size":1,"outputs":[{OUTPUT}-1}}]}}]}}'.encode())
@example(f'{HEAD}{{"source":"a","size":1,"outputs":[{OUTPUT}{2**70}}}]}}]}}'.encode())
@example(f'{HEAD}{{"source":"{"a" * 600}","size":1,"error":{{"code":"IMG_001","message":""}}}}]}}'.encode())
@example(f"{HEAD}]}}".replace('"runId":"1"', '"runId":"2"').encode())
@example(b"[" * 100_000)
def test_a_report_is_used_or_none(data: bytes) -> None:
    checked_report(data)


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of any run commits this one."""
    monkeypatch.setattr(reports, "committed_report", lambda store, job, key: reports._read(store, key))
    with pytest.raises(AssertionError):
        test_a_report_is_used_or_none()


def test_many_of_the_generated_reports_commit_the_run() -> None:
    committed = []

    @given(REPORTS)
    def count(data: bytes) -> None:
        committed.append(asyncio.run(read(data))[0] is not None)

    count()
    assert sum(committed) > len(committed) / 20
