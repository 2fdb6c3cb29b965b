"""Publishing and cleaning: repeated without harm, committed by the report alone, nothing left behind."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from fakes.build import CAUSE, KEY, PREFIX, RUN_UID, UID, job, later, spec, status
from fakes.clock import ManualClock
from fakes.memory_owners import FOLDER
from fakes.memory_store import MemoryStore, key_of
from fakes.memory_web import downloader
from fakes.scripts import do_order
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import Order
from imagejob_contract.result import ItemCode, ItemError, ItemResult, Result, decode_result, encode_result
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import FailedItem, ItemCounts, error_status
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.operation import Clean, ItemResults, Publish, Published, Stage
from imagejob_operator.documents.report import (
    Report,
    ReportError,
    ReportItem,
    ReportOutput,
    SourceSet,
    read_report,
)
from imagejob_operator.documents.staging import output_prefix, result_key
from imagejob_operator.naming.prefixes import folder_of, report_key
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.object_metadata import CONTENT
from imagejob_operator.operations.processing import results
from imagejob_operator.operations.processing.orders import write_order
from imagejob_operator.operations.publishing import overwritten
from imagejob_operator.operations.publishing.publish import clean, publish
from imagejob_operator.operations.publishing.report import make_report
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    ObjectChanged,
    StoreDenied,
    StoreUnavailable,
)

REPORT = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)
SOURCES = ("uploads/a.jpg", "uploads/b.png")
FINAL = ["shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"]


class Run:
    """A run whose Pods have ended: shards of one item each."""

    def __init__(
        self, phase: Phase = Phase.PUBLISHING, keys: Sequence[str] = SOURCES, **destination: Any
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.keys = keys
        current = status(phase, counts=(AttemptCounts(1),) * len(keys), items=len(keys), per_shard=1)
        if phase is Phase.FAILING:
            cause = error_status(Failure(Code.PROCESSING, Reason.ITEMS_FAILED, "1 of 2"))
            current = msgspec.structs.replace(current, error=cause)
        self.job: ImageJob = job(
            current,
            spec(source={"keys": [*keys]}, destination={"prefix": "catalog/", **destination}),
        )

    async def process(self, *shards: int, failing: tuple[str, ...] = ()) -> None:
        for key in self.keys:
            self.store.set(f"shop/{key}", key.encode())
        await stage(self.store, downloader(), CountingTelemetry(), FreshRuns(), self.job, Stage(PREFIX))
        for shard in shards:
            url = await write_order(
                self.store,
                self.job,
                await manifest_head(self.store, PREFIX),
                Launch(PREFIX, shard, 1),
                later(60) - later(0),
            )
            order = msgspec.json.decode(self.store.objects[key_of(url)].data, type=Order)
            do_order(self.store, order, failing)

    async def publish(self, lost: int = 0, tolerated: int = 0) -> Published:
        operation = Publish(PREFIX, REPORT, later(3600), lost, tolerated)
        return await publish(self.store, self.clock, FreshRuns(), self.job, operation)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.store.objects[REPORT].data)
        return found


async def processed(*shards: int, **more: Any) -> Run:
    run = Run(**more)
    await run.process(*(shards or (0, 1)))
    return run


async def test_outputs_come_to_their_keys_and_the_report_comes_last() -> None:
    run = await processed()
    done = await run.publish()
    assert run.store.keys("shop/catalog/") == FINAL
    assert (done.objects, done.cleaned) == (2, True)
    writes = [key for operation, key in run.store.hooks.calls if operation in ("copy", "put_if_absent")]
    assert writes[-1] == REPORT
    assert run.store.keys(PREFIX) == []


async def test_the_report_has_every_output_with_its_hash() -> None:
    run = await processed()
    await run.publish()
    report = run.report()
    assert (report["outcome"], report["uid"], report["run"], report["runId"]) == ("Succeeded", UID, 1, "1")
    first = report["items"][0]
    assert first["source"] == "uploads/a.jpg"
    assert first["outputs"][0]["key"] == "catalog/uploads/a-web.webp"
    assert len(first["outputs"][0]["sha256"]) == 64


async def test_the_report_has_the_notes_of_the_items() -> None:
    run = await processed()
    key = result_key(PREFIX, 0)
    result = decode_result(run.store.objects[key].data, 1, 1)
    items = (msgspec.structs.replace(result.items[0], notes=("EXIF was dropped",)),)
    run.store.set(key, encode_result(msgspec.structs.replace(result, items=items)))
    await run.publish()
    assert [item.get("notes") for item in run.report()["items"]] == [["EXIF was dropped"], None]


async def test_outputs_have_the_headers_that_are_wanted_and_always_their_own_type() -> None:
    wanted = {
        "cacheControl": "no-cache",
        "contentDisposition": "inline",
        "storageClass": "STANDARD_IA",
        "metadata": {"owner": "me"},
        "tags": {"team": "a"},
    }
    run = await processed(headers=wanted)
    await run.publish()
    found = run.store.objects[FINAL[0]].headers
    assert found.content_type == "image/webp"
    assert (found.cache_control, found.content_disposition) == ("no-cache", "inline")
    assert (found.storage_class, found.tags) == ("STANDARD_IA", {"team": "a"})
    assert found.metadata["owner"] == "me"
    assert found.metadata["imagejob-run"] == RUN_UID


@pytest.mark.parametrize("checked", [0, 1, 1000])
async def test_an_output_costs_one_call_to_publish_and_one_to_find_who_wrote_what_it_replaces(
    monkeypatch: pytest.MonkeyPatch, checked: int
) -> None:
    monkeypatch.setattr(overwritten, "MAX_CHECKED", checked)
    run = await processed()
    before = len(run.store.hooks.calls)
    await run.publish()
    calls = [(name, key) for name, key in run.store.hooks.calls[before:] if key.startswith("shop/catalog/")]
    assert sorted(key for name, key in calls if name == "copy") == FINAL
    assert len([key for name, key in calls if name == "stat"]) == min(checked, len(FINAL))
    assert {name for name, _ in calls} <= {"copy", "stat"}


async def test_an_output_overwritten_since_it_was_listed_is_not_published() -> None:
    run = await processed()
    staged = output_prefix(PREFIX, 0, 1) + "000000-web"

    async def somebody_writes(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and not done:
            run.store.set(staged, b"something else")

    run.store.hooks.install(somebody_writes)
    with pytest.raises(ObjectChanged):
        await run.publish()
    assert FINAL[0] not in run.store.objects


async def test_an_output_that_does_not_match_its_result_makes_the_result_invalid() -> None:
    run = await processed()

    async def other_bytes(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and not done:
            raise ChecksumMismatch("000000-web has the SHA-256 digest ab, expected 00")

    run.store.hooks.install(other_bytes)
    with pytest.raises(OperationFailed) as caught:
        await run.publish()
    failure = caught.value.failure
    text = (
        "the output 'catalog/uploads/a-web.webp' of 'uploads/a.jpg' does not match its result: 000000-web "
        "has the SHA-256 digest ab, expected 00"
    )
    assert failure == Failure(Code.PROCESSING, Reason.RESULTS_INVALID, text)
    assert not caught.value.transient, "the Pod will not say anything else"


async def test_publishing_again_changes_nothing() -> None:
    run = await processed()
    first = await run.publish()
    before = dict(run.store.objects)
    assert await run.publish() == first
    assert run.store.objects == before


@pytest.mark.parametrize("operation", ["copy", "put_if_absent", "delete", "stat", "get", "list"])
@pytest.mark.parametrize("lost_answer", [False, True], ids=["failed", "answer-lost"])
async def test_it_can_be_repeated_after_any_error(operation: str, lost_answer: bool) -> None:
    run = await processed()
    run.store.hooks.fail(StoreUnavailable("away"), operation, times=1, lost_answer=lost_answer)
    try:
        done = await run.publish()
    except StoreUnavailable:
        done = await run.publish()
    assert done.objects == 2
    assert run.store.keys("shop/catalog/") == FINAL


async def test_a_cleaning_that_fails_is_reported_and_does_not_fail_the_run() -> None:
    run = await processed()
    run.store.hooks.fail(StoreUnavailable("away"), "delete")
    assert not (await run.publish()).cleaned
    assert run.report()["outcome"] == "Succeeded"


async def test_the_report_is_not_written_after_the_deadline() -> None:
    run = await processed()
    run.clock.advance(3600)
    with pytest.raises(OperationFailed) as failed:
        await run.publish()
    text = "the run exceeded spec.execution.activeDeadlineSeconds (3600 s) before all outputs were published"
    assert failed.value.failure == Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text)
    assert REPORT not in run.store.objects


async def test_a_denied_output_names_its_key() -> None:
    run = await processed()
    run.store.hooks.fail(StoreDenied("AccessDenied"), "copy", about="a-web.webp")
    with pytest.raises(OperationFailed) as failed:
        await run.publish()
    text = (
        "the store denied write access to the output 'catalog/uploads/a-web.webp' of 'uploads/a.jpg': "
        "AccessDenied"
    )
    assert failed.value.failure == Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)


async def test_a_run_that_fails_after_its_results_were_verified_still_has_their_counts() -> None:
    run = await processed(0, 1)
    run.store.hooks.fail(StoreDenied("AccessDenied"), "copy", about="a-web.webp")
    with pytest.raises(OperationFailed) as failed:
        await run.publish()
    assert failed.value.results
    assert failed.value.results.counts == ItemCounts(total=2, succeeded=2)


@pytest.mark.parametrize(
    "another", [{"uid": "another"}, {"run": 2}, {"runId": "2"}, {"runUid": "another"}], ids=str
)
async def test_a_report_of_another_run_is_not_taken_for_ours(another: dict[str, object]) -> None:
    run = await processed()
    other = await processed()
    await other.publish()
    theirs = {**other.report(), **another}
    run.store.set(REPORT, json.dumps(theirs).encode())
    with pytest.raises(OperationFailed) as failed:
        await run.publish()
    text = f"the report cannot be written: another object already exists at {REPORT!r}; delete it"
    assert failed.value.failure == Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.objects.pop(result_key(PREFIX, 0)), "the Pod of shard 0 succeeded but left no result"),
        (lambda s: s.set(result_key(PREFIX, 0), b"{"), "the result of shard 0 cannot be read"),
        (lambda s: s.set(result_key(PREFIX, 0), s.objects[result_key(PREFIX, 1)].data), "names shard 1"),
        (lambda s: s.objects.pop(output_prefix(PREFIX, 0, 1) + "000000-web"), "the store does not have it"),
        (lambda s: s.set(output_prefix(PREFIX, 0, 1) + "000000-web", b"x"), "the store has 1"),
        (lambda s: s.objects.pop(PREFIX + "manifest.json"), "manifest"),
    ],
    ids=["no-result", "garbage", "another-shard-s", "no-output", "other-size", "no-manifest"],
)
async def test_nothing_is_published_of_invalid_results(spoil: Any, words: str) -> None:
    run = await processed()
    spoil(run.store)
    with pytest.raises(OperationFailed) as failed:
        await run.publish()
    failure = failed.value.failure
    assert (failure.code, failure.reason) == (Code.PROCESSING, Reason.RESULTS_INVALID)
    assert words in failure.message
    assert run.store.keys("shop/catalog/") == []


FAILED = [("uploads/a.jpg", "IMG_001"), ("uploads/b.png", "IMG_008")]


async def test_too_many_failed_items_fail_the_run_with_their_counts() -> None:
    run = Run()
    await run.process(0, failing=("uploads/a.jpg",))
    with pytest.raises(OperationFailed) as failed:
        await run.publish(lost=1, tolerated=1)
    failure, results = failed.value.failure, failed.value.results
    text = (
        "2 of 2 items failed, but spec.failurePolicy.maxFailedItems allows only 1; first failure: "
        "uploads/a.jpg: IMG_001 not an image"
    )
    assert failure == Failure(Code.PROCESSING, Reason.ITEMS_FAILED, text)
    assert results
    assert results.counts == ItemCounts(total=2, failed=2)
    assert [(f.item, f.code) for f in results.failures] == FAILED
    assert run.store.keys("shop/catalog/") == [], "nothing is published"


async def test_the_failure_says_what_succeeded_and_how_to_publish_it() -> None:
    run = Run()
    await run.process(0, failing=("uploads/a.jpg",))
    await run.process(1)
    with pytest.raises(OperationFailed) as failed:
        await run.publish()
    assert failed.value.failure.message == (
        "1 of 2 items failed, but spec.failurePolicy.maxFailedItems allows only 0; maxFailedItems: 1 would "
        "publish the 1 that succeeded; first failure: uploads/a.jpg: IMG_001 not an image"
    )


async def test_failed_items_within_the_policy_are_counted_also_when_publishing_again() -> None:
    run = Run()
    await run.process(0, 1, failing=("uploads/a.jpg",))
    done = await run.publish(tolerated=1)
    assert done.results.counts == ItemCounts(total=2, succeeded=1, failed=1)
    assert [(f.item, f.code) for f in done.results.failures] == FAILED[:1]
    assert await run.publish(tolerated=1) == done


MANY = tuple(f"uploads/{n:02}.jpg" for n in range(12))


@pytest.mark.parametrize("tolerated", [11, 10], ids=["published", "failed"])
async def test_the_first_ten_failures_are_shown(tolerated: int) -> None:
    run = Run(keys=MANY)
    await run.process(*range(12), failing=MANY[:11])
    if tolerated == 11:
        results: ItemResults | None = (await run.publish(tolerated=tolerated)).results
    else:
        with pytest.raises(OperationFailed) as failed:
            await run.publish(tolerated=tolerated)
        results = failed.value.results
    shown = tuple(FailedItem(key, "IMG_001", "not an image") for key in MANY[:10])
    assert results == ItemResults(ItemCounts(12, 1, 11), shown)


async def test_what_was_published_is_known_by_its_report() -> None:
    run = await processed()
    done = await run.publish()
    size = sum(len(run.store.objects[key].data) for key in FINAL)
    assert done == Published(2, size, ItemResults(ItemCounts(2, 2)), cleaned=True)
    assert run.store.objects[REPORT].headers.content_type == "application/json"
    report = read_report(run.store.objects[REPORT].data)
    assert (report.job, report.uid, report.run_id, report.run) == ("shop/spring", UID, "1", 1)
    assert (report.run_uid, report.outcome, report.written_at) == (RUN_UID, "Succeeded", run.clock())
    assert (report.outputs_at, report.operator) == ("memory://bucket/shop/", FOLDER)
    assert (report.error, report.checks, report.overwrote) == (None, (), None)
    assert (report.totals.items, report.totals.outputs, report.totals.output_bytes) == (2, 2, size)
    output = report.items[0].outputs[0]
    data = run.store.objects[FINAL[0]]
    assert output == ReportOutput(
        "web",
        "catalog/uploads/a-web.webp",
        "image/webp",
        len(data.data),
        1,
        1,
        hashlib.sha256(data.data).hexdigest(),
        data.etag,
        data.headers.metadata[CONTENT],
    )
    srcset = (SourceSet("image/webp", "catalog/uploads/a-web.webp 1w"),)
    assert report.items[0] == ReportItem("uploads/a.jpg", len(b"uploads/a.jpg"), (output,), srcset=srcset)


def test_a_report_without_a_run_and_with_an_error() -> None:
    failed = msgspec.structs.replace(status(Phase.FAILING), run=None, error=CAUSE)
    report = make_report(job(failed), later(1), "Failed", (), "s3://b/", folder_of(PREFIX))
    assert report == Report(
        job="shop/spring",
        uid=UID,
        run_id="",
        run=0,
        outcome="Failed",
        written_at=later(1),
        outputs_at="s3://b/",
        operator=FOLDER,
        error=ReportError("JOB_003", "QuotaExceeded", "exceeded quota"),
    )


@pytest.mark.parametrize(("at_once", "times"), [(results.AT_ONCE, 1), (1, 2)])
async def test_all_results_are_verified_before_the_first_output_is_copied(
    monkeypatch: pytest.MonkeyPatch, at_once: int, times: int
) -> None:
    monkeypatch.setattr(results, "AT_ONCE", at_once)
    run = await processed()
    before = len(run.store.hooks.calls)
    await run.publish()
    calls = [call for call in run.store.hooks.calls[before:] if "/results/" in call[1] or call[0] == "copy"]
    both = [("get", result_key(PREFIX, 0)), ("get", result_key(PREFIX, 1))]
    first_copy = calls.index(next(call for call in calls if call[0] == "copy"))
    assert calls[:2] == both
    assert first_copy >= 2
    assert [call for call in calls if call[0] == "get"] == both * times
    assert [operation for operation, _ in calls].count("copy") == 2


async def test_a_result_that_changes_between_verification_and_publishing_fails_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results, "AT_ONCE", 1)  # more than one batch, so each is read twice
    run = await processed()
    failed = encode_result(Result(1, 1, 1, (ItemResult(1, error=ItemError(ItemCode.UNDECODABLE, "")),)))
    reads: list[str] = []

    async def another_result(operation: str, about: str, done: bool) -> None:
        if operation == "get" and about == result_key(PREFIX, 1) and not done:
            reads.append(about)
            if len(reads) == 2:
                run.store.set(about, failed)

    run.store.hooks.install(another_result)
    with pytest.raises(OperationFailed) as caught:
        await run.publish()
    text = "the results of the Pods were changed while their outputs were published"
    assert caught.value.failure == Failure(Code.PROCESSING, Reason.RESULTS_INVALID, text)
    assert REPORT not in run.store.objects


async def test_cleaning_leaves_an_empty_list_and_says_what_is_known() -> None:
    run = Run(Phase.FAILING)
    await run.process(0)
    done = await clean(run.store, run.clock, FreshRuns(), run.job, Clean((PREFIX,), REPORT))
    assert done.committed is None
    assert run.store.keys(PREFIX) == []
    report = run.report()
    assert (report["outcome"], report["error"]["code"]) == ("Failed", "JOB_005")
    assert [item["source"] for item in report["items"]] == ["uploads/a.jpg", "uploads/b.png"]
    assert not any(item.get("outputs") for item in report["items"]), "nothing was published"


async def test_cleaning_finds_a_run_that_was_committed_after_all() -> None:
    run = await processed()
    await run.publish()
    done = await clean(run.store, run.clock, FreshRuns(), run.job, Clean((PREFIX,), REPORT))
    assert done.committed
    assert done.committed.objects == 2
    assert run.report()["outcome"] == "Succeeded"


async def test_cleaning_again_is_harmless() -> None:
    run = Run(Phase.FAILING)
    await run.process(0)
    await clean(run.store, run.clock, FreshRuns(), run.job, Clean((PREFIX,), REPORT))
    first = run.store.objects[REPORT]
    await clean(run.store, run.clock, FreshRuns(), run.job, Clean((PREFIX,), REPORT))
    assert run.store.objects[REPORT] == first, "a report is written once"


async def test_a_store_that_takes_no_report_is_cleaned_all_the_same() -> None:
    run = Run(Phase.FAILING)
    await run.process(0)
    run.store.hooks.fail(StoreDenied("no"), "put_if_absent")
    await clean(run.store, run.clock, FreshRuns(), run.job, Clean((PREFIX,), REPORT))
    assert run.store.keys(PREFIX) == []


async def test_cleaning_touches_nothing_outside_its_prefix() -> None:
    run = await processed()
    run.store.set(PREFIX.removesuffix("/") + "0/other", b"of run 1-10")
    run.store.set("shop/uploads/keep", b"")
    await clean(run.store, run.clock, FreshRuns(), run.job, Clean((PREFIX,)))
    assert PREFIX.removesuffix("/") + "0/other" in run.store.objects
    assert "shop/uploads/keep" in run.store.objects
