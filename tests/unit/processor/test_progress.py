"""A Pod reports its progress now and then, and never fails because of it."""

from __future__ import annotations

import threading

import msgspec

from imagejob_contract.result import ItemCode, ItemError, ItemResult, Progress
from imagejob_processor.errors import StoreUnavailable
from imagejob_processor.progress import ProgressReport

DONE, FAILED = ItemResult(0), ItemResult(1, error=ItemError(ItemCode.UNDECODABLE, "no image"))


class Bucket:
    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.written: list[Progress] = []
        self.asked = threading.Semaphore(0)

    def put_progress(self, url: str, data: bytes) -> None:
        assert url == "signed"
        self.written.append(msgspec.json.decode(data, type=Progress))
        self.asked.release()
        if self.error:
            raise self.error


def report(bucket: Bucket) -> ProgressReport:
    return ProgressReport(bucket, "signed", first=0.01, every=0.01)


def test_what_is_done_is_reported_once() -> None:
    bucket = Bucket()
    with report(bucket) as progress:
        progress.add(DONE)
        progress.add(FAILED)
        while bucket.written[-1:] != [Progress(1, 1)]:
            assert bucket.asked.acquire(timeout=10)
        assert not bucket.asked.acquire(timeout=0.2), "nothing has changed"


def test_nothing_is_reported_before_the_first_item_and_after_the_end() -> None:
    bucket = Bucket()
    with report(bucket) as progress:
        assert not bucket.asked.acquire(timeout=0.1)
    progress.add(DONE)
    assert not bucket.asked.acquire(timeout=0.1)


def test_a_short_shard_reports_nothing() -> None:
    bucket = Bucket()
    with ProgressReport(bucket, "signed") as progress:
        progress.add(DONE)
    assert bucket.written == []


def test_a_store_that_is_away_does_not_end_the_reports() -> None:
    bucket = Bucket(StoreUnavailable("no answer"))
    with report(bucket) as progress:
        progress.add(DONE)
        assert bucket.asked.acquire(timeout=10)
        progress.add(DONE)
        assert bucket.asked.acquire(timeout=10)
