"""The checks of a validation: the whole text of each in the report, and the failure that ends the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes.build import PREFIX, SPEC, job, later, spec, status
from fakes.clock import ManualClock
from fakes.memory_cluster import MemoryCluster
from fakes.memory_store import MemoryStore
from imagejob_contract.result import ItemCode, ItemError
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import FailedItem, Status
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.decision.operation import Validate, Validated
from imagejob_operator.documents.report import ReportCheck, ReportError, ReportItem, read_report
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.validate import PROBE, validate
from imagejob_operator.ports.object_store import StoreDenied
from imagejob_operator.ports.store_calls import NO_ETAG

REPORT = "report.json"
KEYS = ["uploads/a.jpg", "uploads/b.png"]
DENIED = StoreDenied("403")
FORM = "the store supports all calls; Pods upload outputs by POST Object"
GOOD = [
    ReportCheck("items", True, "found 2 items; their output keys are unique"),
    ReportCheck("staging", True, FORM),
    ReportCheck("pods", True, "the first Pod and its Secret would be accepted"),
    ReportCheck("destination", True, "outputs can be written under 'shop/catalog/'"),
]


class Cluster(MemoryCluster):
    """Remembers when the first Pod would end."""

    ends: tuple[object, ...] = ()

    async def rehearse(self, job: ImageJob, ends_by: Any) -> str:
        self.ends += (ends_by,)
        return await super().rehearse(job, ends_by)


class Bench:
    """A validation of two sources."""

    def __init__(self, **fields: Any) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        for key in KEYS:
            self.store.set(f"shop/{key}", b"bytes")
        self.cluster = Cluster(self.clock, self.store)
        self.cluster.create("spring", SPEC)
        self.job = job(status(Phase.VALIDATING), spec(**fields))

    async def found(self) -> Validated:
        operation = Validate(PREFIX, REPORT)
        return await validate(self.store, self.cluster, self.clock, self.job, operation)

    def checks(self) -> list[ReportCheck]:
        return list(read_report(self.store.objects[REPORT].data).checks)


async def test_a_run_that_could_be_carried_out() -> None:
    bench = Bench(execution={"activeDeadlineSeconds": 600})
    assert await bench.found() == Validated(2)
    assert bench.checks() == GOOD
    report = read_report(bench.store.objects[REPORT].data)
    assert (report.outcome, report.error, report.written_at) == ("Validated", None, bench.clock())
    assert report.outputs_at == "memory://bucket/shop/"
    assert bench.store.objects[REPORT].headers.content_type == "application/json"
    assert bench.cluster.ends == (later(600),)


async def test_the_first_pod_of_a_run_that_has_not_started_ends_by_now() -> None:
    bench = Bench(execution={"activeDeadlineSeconds": 600})
    bench.job = replace(bench.job, status=Status(phase="Validating"))
    bench.clock.advance(5)
    await bench.found()
    assert bench.cluster.ends == (later(605),)


def refuse(problem: Problem) -> Callable[[Bench], object]:
    return lambda bench: bench.cluster.refusals.update({0: problem})


QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")


@pytest.mark.parametrize(
    ("fields", "prepare", "place", "failure"),
    [
        (
            {},
            lambda b: b.store.hooks.fail(DENIED, "stat", "shop/uploads/a"),
            0,
            Failure(Code.STAGING, Reason.ACCESS_DENIED, "the store denied read access to the sources: 403"),
        ),
        (
            {},
            lambda b: b.store.hooks.fail(DENIED, "put", "/probe/"),
            1,
            Failure(Code.STAGING, Reason.ACCESS_DENIED, f"staged objects under {PREFIX!r}: 403"),
        ),
        (
            {},
            refuse(QUOTA),
            2,
            Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "the first Pod would be rejected: exceeded quota"),
        ),
        (
            {},
            lambda b: b.store.hooks.fail(DENIED, "put_if_match"),
            3,
            Failure(
                Code.PUBLISH,
                Reason.DESTINATION_DENIED,
                "the store denied write access to outputs under 'shop/catalog/': 403",
            ),
        ),
    ],
    ids=["items", "staging", "pods", "destination"],
)
async def test_what_would_fail_is_in_the_report_and_in_the_status(
    fields: dict[str, Any], prepare: Callable[[Bench], object], place: int, failure: Failure
) -> None:
    bench = Bench(**fields)
    prepare(bench)
    assert await bench.found() == Validated(0 if place == 0 else 2, failure)
    checks = list(GOOD)
    text = f"{failure.code} {failure.reason}: {failure.message}"
    checks[place] = ReportCheck(checks[place].name, False, text)
    assert bench.checks() == checks
    report = read_report(bench.store.objects[REPORT].data)
    error = ReportError(failure.code, failure.reason, failure.message)
    assert (report.outcome, report.error) == ("Failed", error)


async def test_the_first_failure_is_the_one_of_the_run() -> None:
    bench = Bench()
    refuse(QUOTA)(bench)
    bench.store.hooks.fail(DENIED, "put_if_match")
    found = await bench.found()
    assert found.failure
    assert found.failure.reason is Reason.QUOTA_EXCEEDED
    assert [check.passed for check in bench.checks()] == [True, True, False, False]


async def test_an_api_server_that_does_not_answer_is_asked_again() -> None:
    bench = Bench()
    refuse(Problem(Reason.START_DEADLINE_EXCEEDED, "no answer"))(bench)
    with pytest.raises(OperationFailed) as caught:
        await bench.found()
    text = "the first Pod cannot be checked: no answer"
    assert caught.value.failure == Failure(Code.LAUNCH, Reason.START_DEADLINE_EXCEEDED, text)
    assert caught.value.transient
    assert REPORT not in bench.store.objects


async def test_a_pod_that_cannot_be_checked_is_no_failure() -> None:
    bench = Bench()
    bench.cluster.untold = "a webhook does not support dry run"
    assert (await bench.found()).failure is None
    wanted = ReportCheck("pods", True, "not checked: a webhook does not support dry run")
    assert bench.checks() == [*GOOD[:2], wanted, GOOD[3]]


@pytest.mark.parametrize("earlier", [False, True])
async def test_a_report_that_is_denied_is_a_failure_unless_there_is_an_earlier_one(earlier: bool) -> None:
    bench = Bench()
    bench.store.hooks.fail(DENIED, "put", REPORT)
    text = f"the store denied write access to the report {REPORT!r}: 403"
    failure = Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)
    if earlier:
        refuse(QUOTA)(bench)
        text = "the first Pod would be rejected: exceeded quota"
        failure = Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, text)
    assert await bench.found() == Validated(2, failure)


MISSING = (
    "spec.source.keys: there is no object 'c.jpg' under 'shop/'; upload it or correct the key",
    "spec.source.keys: there is no object 'd.jpg' under 'shop/'; upload it or correct the key",
)


@pytest.mark.parametrize("allowed", [2, 1])
async def test_sources_that_cannot_be_staged_are_listed_with_their_check(allowed: int) -> None:
    bench = Bench(source={"keys": [*KEYS, "c.jpg", "d.jpg"]}, failurePolicy={"maxFailedItems": allowed})
    found = await bench.found()
    failures = tuple(
        FailedItem(key, "IMG_010", text) for key, text in zip(("c.jpg", "d.jpg"), MISSING, strict=True)
    )
    assert (found.items, found.failed, found.failures) == (4, 2, failures)
    items = tuple(
        ReportItem(key, 0, error=ItemError(ItemCode.SOURCE_MISSING, text))
        for key, text in zip(("c.jpg", "d.jpg"), MISSING, strict=True)
    )
    text = (
        "found 4 items; their output keys are unique; 2 of them cannot be staged, which spec.failurePolicy "
        "allows"
    )
    if allowed == 1:
        text = (
            "JOB_002 SourceNotFound: 2 of 4 sources cannot be staged, but spec.failurePolicy.maxFailedItems "
            f"allows only 1; maxFailedItems: 2 would process the other 2; not staged: 'c.jpg', 'd.jpg'; "
            f"first failure: IMG_010 {MISSING[0]}"
        )
    assert (found.failure is None) == (allowed == 2)
    assert bench.checks() == [ReportCheck("items", allowed == 2, text, items), *GOOD[1:]]


async def test_a_prefix_that_does_not_end_with_a_slash_is_noted() -> None:
    bench = Bench(destination={"prefix": "catalog"})
    assert (await bench.found()).failure is None
    note = "spec.destination.prefix 'catalog' does not end with '/': output keys go on in its last segment"
    items = ReportCheck("items", True, f"found 2 items; their output keys are unique; {note}")
    destination = ReportCheck("destination", True, "outputs can be written under 'shop/catalog'")
    assert bench.checks() == [items, *GOOD[1:3], destination]


async def test_writing_is_checked_below_the_outputs_and_leaves_nothing() -> None:
    bench = Bench()
    await bench.found()
    probes = [call for call in bench.store.hooks.calls if PROBE in call[1]]
    assert probes == [("put_if_match", f"shop/catalog/{PROBE}none")]
    assert bench.store.keys() == [REPORT, *(f"shop/{key}" for key in KEYS)]


async def test_an_object_that_does_not_exist_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    asked: list[tuple[object, ...]] = []

    async def replaces(*call: object) -> str:
        asked.append(call)
        bench.store.set(str(call[0]), b"")
        return ""

    monkeypatch.setattr(bench.store, "put_if_match", replaces)
    await bench.found()
    assert asked == [(f"shop/catalog/{PROBE}none", b"", NO_ETAG, "application/octet-stream")]
    assert bench.store.keys("shop/catalog/") == [], "a store that ignores conditions is cleaned"
