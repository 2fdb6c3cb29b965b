"""Reports of earlier runs: which are read, and what an item left out there means for `items: Failed`."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from fakes.build import KEY, NOW, PREFIX, RUN_UID, UID, at_phase, job, later, spec, status
from fakes.memory_store import MemoryStore
from imagejob_contract.result import ItemCode, ItemError
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import PastRun
from imagejob_operator.documents.report import Report, ReportItem, ReportOutput, encode_report
from imagejob_operator.naming.prefixes import folder_of, report_key, reports_prefix
from imagejob_operator.operations import reports
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.publishing.report import make_report
from imagejob_operator.operations.reports import committed_report, recent_reports, unpublished_before
from imagejob_operator.operations.staging.plan import plan_items
from imagejob_operator.ports.object_store import StoreUnavailable

OUTPUT = ReportOutput("web", "a.webp", "image/webp", 1, 1, 1, "d" * 64)
DONE = ReportItem("uploads/a.jpg", 1, (OUTPUT,))
SKIPPED = ReportItem("uploads/b.png", 1, (OUTPUT,), skipped=True)
BROKEN = ReportItem("uploads/c.jpg", 1, error=ItemError(ItemCode.UNDECODABLE, "no"))
FIRST = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)


def made(outcome: str, *items: ReportItem, written: datetime = NOW) -> Report:
    return make_report(job(at_phase(Phase.SUCCEEDED)), written, outcome, items, "s3://b/", folder_of(PREFIX))


class Clock:
    """A clock that goes on with each reading."""

    def __init__(self) -> None:
        self.readings = 0

    def __call__(self) -> datetime:
        self.readings += 1
        return later(self.readings)


# --- the newest --------------------------------------------------------------------------------------------


async def read(store: MemoryStore) -> list[datetime]:
    return [report.written_at async for report in recent_reports(store, KEY)]


def store_with(count: int) -> MemoryStore:
    store = MemoryStore(Clock())
    for number in range(count, 0, -1):
        key = report_key(KEY.namespace, KEY.name, UID, number, RUN_UID)
        store.set(key, encode_report(made("Succeeded", written=later(number))))
    return store


async def test_the_five_newest_are_read_newest_first() -> None:
    assert await read(store_with(7)) == [later(number) for number in range(1, 6)]


async def test_what_is_no_report_is_not_read() -> None:
    store = store_with(2)
    store.set(f"{reports_prefix(KEY.namespace, KEY.name)}{UID[:8]}/gone/tombstone.txt", b"{}")
    store.set(FIRST, b"{")
    assert await read(store) == [later(2)]
    assert store.hooks.count("get") == 2


async def test_the_listing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_LISTED", 2)
    assert await read(store_with(4)) == [later(1), later(2)]


# --- the own -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["Succeeded", "Failed"])
async def test_only_a_report_of_success_commits_a_run(outcome: str) -> None:
    store, own = MemoryStore(), made(outcome)
    store.set(FIRST, encode_report(own))
    found = await committed_report(store, job(status(Phase.PUBLISHING)), FIRST)
    assert found == (own if outcome == "Succeeded" else None)
    assert await committed_report(store, job(), FIRST) is None
    assert await committed_report(store, job(status(Phase.PUBLISHING)), "none") is None


async def test_a_store_that_is_away_is_no_answer() -> None:
    store = MemoryStore()
    store.hooks.fail(StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        await committed_report(store, job(status(Phase.PUBLISHING)), FIRST)


# --- items: Failed -----------------------------------------------------------------------------------------

ALL = "; set spec.run.items to All"
NONE = "spec.run.items is Failed, but no earlier run has a report with items" + ALL


def again(*past: PastRun) -> ImageJob:
    wanted = spec(
        run={"id": "3", "items": "Failed"}, source={"keys": [DONE.source, SKIPPED.source, BROKEN.source]}
    )
    return job(msgspec.structs.replace(status(Phase.STAGING, run_id="3"), history=past), wanted)


@pytest.mark.parametrize(
    ("outcome", "left"),
    [("Succeeded", {BROKEN.source}), ("Failed", {DONE.source, BROKEN.source})],
)
async def test_what_the_last_run_with_items_did_not_publish(outcome: str, left: set[str]) -> None:
    store = MemoryStore()
    store.set(FIRST, encode_report(made(outcome, DONE, SKIPPED, BROKEN)))
    store.set("empty.json", encode_report(made("Failed")))
    past = (PastRun(number=3), PastRun(number=2, report="empty.json"), PastRun(number=1, report=FIRST))
    assert await unpublished_before(store, again(*past)) == left


@pytest.mark.parametrize(
    ("past", "text"),
    [
        ((), NONE),
        ((PastRun(number=2),), NONE),
        ((PastRun(number=2, report="empty.json"),), NONE),
        (
            (PastRun(number=2, report="gone.json"), PastRun(number=1, report=FIRST)),
            "spec.run.items is Failed, but the report of run 2 was not found at 'gone.json'" + ALL,
        ),
    ],
)
async def test_without_a_report_with_items_there_is_nothing_to_go_by(
    past: tuple[PastRun, ...], text: str
) -> None:
    store = MemoryStore()
    store.set(FIRST, encode_report(made("Succeeded", DONE, BROKEN)))
    store.set("empty.json", encode_report(made("Failed")))
    with pytest.raises(OperationFailed) as caught:
        await unpublished_before(store, again(*past))
    assert caught.value.failure == Failure(Code.CREATION, Reason.NO_PREVIOUS_REPORT, text)


@pytest.mark.parametrize("broken", [True, False])
async def test_a_run_of_failed_items_has_those_that_the_last_run_did_not_publish(broken: bool) -> None:
    store = MemoryStore()
    for item in (DONE, SKIPPED, BROKEN):
        store.set(f"shop/{item.source}", b"bytes")
    store.set(FIRST, encode_report(made("Succeeded", DONE, SKIPPED, *([BROKEN] if broken else []))))
    of = again(PastRun(number=1, report=FIRST))
    if broken:
        found = await plan_items(store, of, whole_spec(of))
        assert [(place, source.name) for place, source in found.items] == [(2, BROKEN.source)]
        return
    with pytest.raises(OperationFailed) as caught:
        await plan_items(store, of, whole_spec(of))
    text = "spec.run.items is Failed, but the previous run published all items; set spec.run.items to All"
    assert caught.value.failure == Failure(Code.STAGING, Reason.SOURCE_EMPTY, text)
