"""Sources on web servers: downloaded whole or not at all, named after the URL, its query never shown."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.memory_store import MemoryStore
from fakes.memory_web import MemorySecrets, MemoryWeb, downloader
from fakes.scripts import well
from fakes.telemetry import CountingTelemetry
from fakes.world import World, killed_everywhere
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.documents.staging import input_key, manifest_key, read_manifest
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.staging.download import MAX_DOWNLOAD_BYTES
from imagejob_operator.operations.staging.sources import WebSource
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.ports.object_store import StoreUnavailable

A, B = "https://pictures.example/x/a%20b.jpg?token=secret", "https://pictures.example/c.jpg"
PICTURES = "https://pictures.example"
AWAY = FetchFailed(Reason.SOURCE_UNREACHABLE, f"{B} returned HTTP 503", transient=True)


class Bench:
    def __init__(self) -> None:
        self.store = MemoryStore()
        self.web = MemoryWeb()
        self.secrets = MemorySecrets()
        self.last_try = False

    async def stage(self, *urls: dict[str, Any], **more: Any) -> Staged:
        of = job(status(Phase.STAGING), spec(source={"urls": list(urls)}, **more))
        fetching = downloader(self.web, self.secrets)
        return await stage(
            self.store, fetching, CountingTelemetry(), FreshRuns(), of, Stage(PREFIX, self.last_try)
        )

    async def refused(self, *urls: dict[str, Any], **more: Any) -> OperationFailed:
        with pytest.raises(OperationFailed) as refusal:
            await self.stage(*urls, **more)
        assert manifest_key(PREFIX) not in self.store.objects
        assert self.web.open == 0
        assert "secret" not in str(refusal.value)
        return refusal.value


def reason_of(error: OperationFailed) -> str:
    return f"{error.failure.code}/{error.failure.reason}"


async def test_each_is_fetched_in_its_order_and_named_by_its_url() -> None:
    bench = Bench()
    done = await bench.stage({"url": A}, {"url": B})
    manifest = read_manifest(bench.store.objects[manifest_key(PREFIX)].data)
    assert [item.source for item in manifest.items] == ["a b.jpg", "c.jpg"]
    first = bench.store.objects[input_key(PREFIX, 0)]
    assert (first.data, first.headers.content_type) == (f"bytes of {A}".encode(), "application/octet-stream")
    assert manifest.items[1].etag == bench.store.objects[input_key(PREFIX, 1)].etag
    assert done.items == 2
    assert b"secret" not in bench.store.objects[manifest_key(PREFIX)].data
    assert bench.web.open == 0


async def test_the_room_is_held_until_the_bytes_are_stored() -> None:
    bench = Bench()
    open_requests: list[int] = []

    async def count_open(operation: str, about: str, done: bool) -> None:
        if operation == "put" and "/in/" in about and done:
            open_requests.append(bench.web.open)

    bench.store.hooks.install(count_open)
    await bench.stage({"url": A})
    assert open_requests == [1]
    assert bench.web.open == 0


@pytest.mark.parametrize(("size", "most"), [("1Ki", 1024), ("64Mi", 64 << 20), ("2Gi", MAX_DOWNLOAD_BYTES)])
async def test_no_more_is_taken_than_an_item_may_have(size: str, most: int) -> None:
    bench = Bench()
    await bench.stage({"url": A}, limits={"itemSize": size})
    assert [limit for _, _, limit in bench.web.asked] == [most]


async def test_a_checksum_covers_all_bytes() -> None:
    bench = Bench()
    good = hashlib.sha256(f"bytes of {A}".encode()).hexdigest()
    await bench.stage({"url": A, "sha256": good})
    other = Bench()
    other.web.pages[A] = b"another file"
    done = await other.stage({"url": A, "sha256": good}, {"url": B})
    assert (done.items, done.objects, done.failed) == (2, 1, 1)
    [failure] = done.failures
    assert (failure.item, failure.code) == ("a b.jpg", "IMG_013")
    assert good in failure.message
    assert "https://pictures.example/x/a%20b.jpg has the SHA-256 digest" in failure.message
    assert input_key(PREFIX, 0) not in other.store.objects
    assert other.store.objects[input_key(PREFIX, 1)].data == f"bytes of {B}".encode()


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.SOURCE_NOT_FOUND, "IMG_010"),
        (Reason.ACCESS_DENIED, "IMG_011"),
        (Reason.SOURCE_TOO_LARGE, "IMG_002"),
        (Reason.SOURCE_UNREACHABLE, "IMG_012"),
        (Reason.BLOCKED_ADDRESS, "IMG_014"),
    ],
)
async def test_one_that_cannot_be_downloaded_fails_its_item(reason: Reason, code: str) -> None:
    world = World(well())
    world.web.fail(A, FetchFailed(reason, "https://pictures.example/x/a%20b.jpg cannot be read"))
    world.create(source={"urls": [{"url": A}, {"url": B}]}, failurePolicy={"maxFailedItems": 1})
    await world.run()
    assert world.job.status.phase == "Succeeded"
    [failure] = world.job.status.failures
    assert (failure.item, failure.code) == ("a b.jpg", code)
    assert failure.message == "spec.source.urls: https://pictures.example/x/a%20b.jpg cannot be read"
    assert world.store.keys("shop/catalog/") == ["shop/catalog/c-web.webp"]


async def test_headers_come_from_the_secret_of_the_namespace() -> None:
    bench = Bench()
    bench.secrets.put("shop", "web", {"Authorization": "Bearer t\n"}, PICTURES)
    await bench.stage({"url": A, "headersSecretRef": {"name": "web"}}, {"url": B})
    asked = {url: headers for url, headers, _ in bench.web.asked}
    assert asked == {A: {"Authorization": "Bearer t"}, B: {}}


async def test_a_secret_that_is_not_there_yet_is_waited_for() -> None:
    bench = Bench()
    bench.secrets.put("shop2", "web", {"Authorization": "of another tenant"}, PICTURES)
    error = await bench.refused({"url": A, "headersSecretRef": {"name": "web"}})
    assert reason_of(error) == "JOB_002/AccessDenied"
    assert error.transient
    assert "headersSecretRef of https://pictures.example/x/a%20b.jpg: there is no Secret 'web'" in str(error)


async def test_a_header_that_cannot_be_sent_is_the_users_fault() -> None:
    bench = Bench()
    bench.secrets.put("shop", "web", {"Host": "secret"}, PICTURES)
    error = await bench.refused({"url": A, "headersSecretRef": {"name": "web"}})
    assert reason_of(error) == "JOB_001/InvalidSpec"
    assert "'Host'" in str(error)


async def test_two_with_one_name_collide_before_anything_is_fetched() -> None:
    bench = Bench()
    error = await bench.refused({"url": B}, {"url": "https://other.example/c.jpg"})
    assert reason_of(error) == "JOB_001/KeyCollision"
    assert bench.web.asked == []


async def test_what_is_staged_is_not_fetched_again() -> None:
    bench = Bench()
    bench.web.fail(B, AWAY, times=1)
    error = await bench.refused({"url": A}, {"url": B})
    assert reason_of(error) == "JOB_002/SourceUnreachable"
    assert error.transient
    bench.store.set(input_key(PREFIX, 0), b"fetched before")
    before = len(bench.web.asked)
    await bench.stage({"url": A}, {"url": B})
    assert [url for url, _, _ in bench.web.asked[before:]] == [B]
    assert bench.store.objects[input_key(PREFIX, 0)].data == b"fetched before"


async def test_a_store_that_fails_means_the_whole_of_it_again() -> None:
    bench = Bench()
    bench.store.hooks.fail(StoreUnavailable("away"), "put", about="in/000000", times=1)
    with pytest.raises(StoreUnavailable):
        await bench.stage({"url": A})
    assert bench.web.open == 0
    await bench.stage({"url": A})
    assert [url for url, _, _ in bench.web.asked] == [A, A]


async def test_a_server_that_comes_back_in_time_is_no_failure() -> None:
    world = World(well())
    world.web.fail(B, AWAY, times=4)
    world.create(source={"urls": [{"url": B}]})
    seconds = await world.run()
    assert world.job.status.phase == "Succeeded"
    assert seconds >= 1 + 2 + 4 + 8
    assert world.store.keys("shop/catalog/") == ["shop/catalog/c-web.webp"]


async def test_a_server_that_stays_away_fails_at_the_deadline_for_its_own_reason() -> None:
    world = World(well())
    world.web.fail(B, AWAY)
    world.create(source={"urls": [{"url": B}]}, execution={"stagingDeadlineSeconds": 60})
    seconds = await world.run()
    assert world.error() == "JOB_002/SourceUnreachable"
    assert 60 <= seconds < 65
    error = world.job.status.error
    assert error
    assert "returned HTTP 503" in error.message
    assert "stopped retrying after spec.execution.stagingDeadlineSeconds (60 s)" in error.message
    assert world.staged() == []


async def late(most: int, *, urls: tuple[str, ...] = (B, A), **more: Any) -> World:
    """A run whose first URL is not delivered by its server until the deadline, and later."""
    world = World(well())
    world.web.fail(B, AWAY)
    policy = {"failurePolicy": {"maxFailedItems": most}, "execution": {"stagingDeadlineSeconds": 60}}
    source = {"urls": [{"url": url} for url in urls]}
    world.create(**{"source": source, **policy, **more})
    return world


async def test_at_the_deadline_one_that_its_server_does_not_deliver_fails_its_item() -> None:
    world = await late(1)
    seconds = await world.run()
    status = world.job.status
    assert (status.phase, status.run and status.run.outcome) == ("Succeeded", "SucceededWithFailures")
    assert 60 <= seconds < 80
    [failure] = status.failures
    assert (failure.item, failure.code) == ("c.jpg", "IMG_012")
    assert failure.message == (
        "spec.source.urls: https://pictures.example/c.jpg returned HTTP 503 "
        "(stopped retrying after spec.execution.stagingDeadlineSeconds (60 s))"
    )
    report = json.loads(world.store.objects[status.report].data)
    assert [item["error"]["code"] if item.get("error") else "" for item in report["items"]] == ["IMG_012", ""]
    assert world.store.keys("shop/catalog/") == ["shop/catalog/a b-web.webp"]
    assert world.staged() == []


async def test_the_others_do_not_wait_for_a_server_that_does_not_answer() -> None:
    bench = Bench()
    bench.web.fail(B, AWAY)
    error = await bench.refused({"url": B}, {"url": A})
    assert (reason_of(error), error.transient) == ("JOB_002/SourceUnreachable", True)
    assert input_key(PREFIX, 1) in bench.store.objects


def silent(bench: Bench, *hosts: str) -> list[dict[str, str]]:
    """One image on each of these servers, which do not respond."""
    urls = [f"https://{host}/{number}.jpg" for number, host in enumerate(hosts)]
    for url in urls:
        error = FetchFailed(Reason.SOURCE_UNREACHABLE, f"{url} did not respond", transient=True, silent=True)
        bench.web.fail(url, error)
    return [{"url": url} for url in urls]


@pytest.mark.parametrize("last_try", [False, True])
async def test_a_server_that_does_not_respond_is_asked_once_in_a_try(last_try: bool) -> None:
    bench = Bench()
    bench.last_try = last_try
    urls = [*silent(bench, *["silent.example"] * 40), {"url": A}]
    if last_try:
        done = await bench.stage(*urls)
        assert (done.items, done.objects, done.failed) == (41, 1, 40)
        assert done.failures[9].message.startswith(
            "spec.source.urls: https://silent.example/9.jpg was not tried again: its server did not respond "
            "for another URL (stopped retrying"
        )
    else:
        error = await bench.refused(*urls)
        assert error.failure.message == "spec.source.urls: https://silent.example/0.jpg did not respond"
    assert len([url for url, _, _ in bench.web.asked if "silent" in url]) <= 6
    assert input_key(PREFIX, 40) in bench.store.objects


@pytest.mark.parametrize(("last_try", "most"), [(False, 2), (True, 7)])
async def test_a_try_ends_soon_after_its_first_error(
    monkeypatch: pytest.MonkeyPatch, last_try: bool, most: int
) -> None:
    """Each of 40 servers takes 10 seconds not to respond."""
    bench = Bench()
    bench.last_try = last_try
    monkeypatch.setattr("imagejob_operator.operations.staging.one_try._seconds", lambda: 10.0 * asked())
    monkeypatch.setattr(WebSource, "at_once", 1)

    def asked() -> int:
        return len(bench.web.asked)

    urls = silent(bench, *(f"{number}.example" for number in range(40)))
    if last_try:
        done = await bench.stage(*urls)
        assert (done.items, done.failed) == (40, 40)
        assert "was not tried again: other downloads failed or took too long" in done.failures[9].message
    else:
        await bench.refused(*urls)
    assert asked() == most


async def test_more_than_the_policy_allows_fail_the_run_at_the_deadline() -> None:
    world = await late(0)
    await world.run()
    assert world.error() == "JOB_002/SourceUnreachable"
    error = world.job.status.error
    assert error
    assert error.message.startswith("1 of 2 sources cannot be staged, but spec.failurePolicy.maxFailedItems")
    assert world.staged() == []


async def test_all_of_them_may_fail() -> None:
    world = await late(1, urls=(B,))
    await world.run()
    status = world.job.status
    assert (status.phase, status.run and status.run.outcome) == ("Succeeded", "SucceededWithFailures")
    assert status.items
    assert (status.items.total, status.items.failed) == (1, 1)


async def test_a_store_that_is_away_at_the_deadline_fails_the_run() -> None:
    world = await late(2)
    world.store.hooks.fail(StoreUnavailable("no answer"), "put", about="/in/")
    seconds = await world.run()
    assert world.error() == "JOB_002/StoreUnavailable"
    assert 60 + 180 <= seconds < 60 + 180 + 20


async def test_a_secret_that_never_comes_fails_its_item() -> None:
    world = await late(1, source={"urls": [{"url": B, "headersSecretRef": {"name": "web"}}, {"url": A}]})
    await world.run()
    assert [(failure.item, failure.code) for failure in world.job.status.failures] == [("c.jpg", "IMG_011")]
    assert world.job.status.phase == "Succeeded"


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_its_item_fails_once_wherever_the_operator_dies(after_effect: bool) -> None:
    async def run(world: World) -> None:
        world.web.fail(B, AWAY)
        world.create(
            source={"urls": [{"url": B}, {"url": A}]},
            execution={"itemsPerPod": 50, "stagingDeadlineSeconds": 5},
            failurePolicy={"maxFailedItems": 1},
        )
        await world.run()

    async for world, where in killed_everywhere(after_effect, run):
        assert [failure.code for failure in world.job.status.failures] == ["IMG_012"], where
        assert world.store.keys("shop/catalog/") == ["shop/catalog/a b-web.webp"], where
        assert world.staged() == [], where


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_it_succeeds_once_wherever_the_operator_dies(after_effect: bool) -> None:
    async def run(world: World) -> None:
        world.create(source={"urls": [{"url": A}, {"url": B}]}, execution={"itemsPerPod": 50})
        await world.run()

    async for world, where in killed_everywhere(after_effect, run):
        assert world.job.status.phase == "Succeeded", where
        assert world.store.keys("shop/catalog/") == [
            "shop/catalog/a b-web.webp",
            "shop/catalog/c-web.webp",
        ], where
        assert world.staged() == [], where
