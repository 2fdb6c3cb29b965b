"""One output is copied to its key, or kept, as the store has it and `destination.overwrite` allows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.build import PREFIX, RUN_UID, job, spec, status
from fakes.memory_store import MemoryStore
from imagejob_contract.result import ItemResult, OutputRecord
from imagejob_operator.api.imagejob import Key, whole_spec
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.report import ReplacedOutput, ReportItem, ReportOutput
from imagejob_operator.documents.results import ItemOutcome, Listed
from imagejob_operator.documents.staging import output_prefix
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.object_metadata import CONTENT, JOB, RUN, final_headers, job_hash
from imagejob_operator.operations.publishing import overwritten
from imagejob_operator.operations.publishing.copy_outputs import publish_outputs
from imagejob_operator.operations.publishing.overwritten import Overwritten
from imagejob_operator.operations.staging.existing_outputs import overwrite_refused
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject

NAME = output_prefix(PREFIX, 3, 2) + "000007-web"
KEY = "shop/catalog/a-web.webp"
DIGEST = "ab" * 32
FINAL = ReportOutput("web", "catalog/a-web.webp", "image/webp", 4, 1, 1, DIGEST, content="content")
OTHER = job_hash(Key("shop", "summer"))


class Store(MemoryStore):
    """Remembers what is copied."""

    def __init__(self) -> None:
        super().__init__()
        self.copied: list[tuple[StoredObject, str, bool, str, ObjectHeaders | None]] = []

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        self.copied.append((source, source.sha256, source.padded, key, headers))
        return self.set(key, b"copy", headers=headers)


class Bench:
    """An output in the staging."""

    def __init__(self, overwrite: str = "Always", **there: str) -> None:
        self.store = Store()
        wanted = spec(destination={"prefix": "catalog/", "overwrite": overwrite})
        self.job = job(status(Phase.PUBLISHING), wanted)
        self.overwritten = Overwritten(self.job)
        if there:
            self.store.set(KEY, b"1234", headers=ObjectHeaders("image/webp", metadata=there))

    async def publish(self, size: int = 4) -> list[ReportItem]:
        result = ItemResult(7, (OutputRecord("web", 4, 1, 1, DIGEST),))
        outcome = ItemOutcome(result, 3, 2, (Listed(size, "etag"),))
        item = ReportItem("a.jpg", 9, (FINAL,))
        empty = ItemOutcome(ItemResult(8), 3, 2)
        found = await publish_outputs(
            self.store, self.job, PREFIX, [outcome, empty], [item, ReportItem("b.jpg", 9)], self.overwritten
        )
        assert found[1] == ReportItem("b.jpg", 9)
        return found[:1]


@pytest.mark.parametrize(("size", "padded"), [(4, False), (8, True)])
async def test_an_output_is_copied_as_it_was_verified(size: int, padded: bool) -> None:
    bench = Bench()
    found = await bench.publish(size)
    headers = final_headers(bench.job, whole_spec(bench.job).destination.headers, FINAL)
    assert bench.store.copied == [(StoredObject(NAME, 4, "etag"), DIGEST, padded, KEY, headers)]
    etag = bench.store.objects[KEY].etag
    assert found == [ReportItem("a.jpg", 9, (msgspec.structs.replace(FINAL, etag=etag),))]


OWN: dict[str, Any] = {RUN: RUN_UID, CONTENT: "content"}


@pytest.mark.parametrize(
    ("overwrite", "there", "copied"),
    [
        ("Always", OWN, True),
        ("Never", OWN, False),
        ("Never", {RUN: RUN_UID, CONTENT: "another"}, True),
        ("IfDifferent", OWN, False),
        ("IfDifferent", {RUN: "another", CONTENT: "content"}, False),
        ("IfDifferent", {RUN: RUN_UID, CONTENT: "another"}, True),
        ("IfDifferent", {"owner": "somebody"}, True),
    ],
)
async def test_an_output_that_is_there_is_kept_if_it_is_the_same(
    overwrite: str, there: dict[str, str], copied: bool
) -> None:
    bench = Bench(overwrite, **there)
    etag = bench.store.objects[KEY].etag
    (found,) = await bench.publish()
    assert bool(bench.store.copied) is copied
    assert (found.outputs[0].etag == etag) is not copied


async def test_another_size_is_another_output() -> None:
    bench = Bench("IfDifferent", **OWN)
    bench.store.set(KEY, b"12345", headers=bench.store.objects[KEY].headers)
    await bench.publish()
    assert bench.store.copied


async def test_an_object_that_the_run_did_not_write_is_not_overwritten() -> None:
    bench = Bench("Never", **{RUN: "another", CONTENT: "content"})
    with pytest.raises(OperationFailed) as caught:
        await bench.publish()
    assert caught.value.failure == overwrite_refused("catalog/a-web.webp").failure


@pytest.mark.parametrize("checked", [1, 0])
async def test_an_output_of_another_job_is_named_where_it_is_checked(
    checked: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overwritten, "MAX_CHECKED", checked)
    bench = Bench(**{JOB: OTHER})
    await bench.publish()
    replaced = OTHER if checked else ""
    headers = final_headers(bench.job, whole_spec(bench.job).destination.headers, FINAL, replaced)
    assert bench.store.copied[0][4] == headers
    assert bench.overwritten.first == (ReplacedOutput(FINAL.key, OTHER) if checked else None)


def there(writer: str) -> StoredObject:
    return StoredObject("k", 1, "e", metadata={JOB: writer} if writer else {})


def test_the_first_key_is_named() -> None:
    found = Overwritten(job(status(Phase.PUBLISHING)))
    for key, writer in (("b", OTHER), ("c", "x"), ("a", "y"), ("0", "")):
        assert found.see(key, there(writer)) == writer
    assert found.first == ReplacedOutput("a", "y")


@pytest.mark.parametrize(("most", "name"), [(3, "summer"), (2, "")])
async def test_as_many_names_are_compared_as_are_allowed(
    most: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overwritten, "MAX_JOBS", most)
    store = MemoryStore()
    for other in ("autumn", "spring", "summer", "winter"):
        store.set(f".imagejob/shop/{other}/0/1.json", b"")
    found = Overwritten(job(status(Phase.PUBLISHING)), ReplacedOutput("a", OTHER))
    assert await found.named(store) == ReplacedOutput("a", OTHER, name)
    assert await Overwritten(found.job).named(store) is None


@pytest.mark.parametrize(
    ("name", "other"),
    [("summer", "the ImageJob 'summer'"), ("", "another ImageJob, which has no report here,")],
)
def test_the_message_about_a_replaced_output(name: str, other: str) -> None:
    assert overwritten.overwrote_text(ReplacedOutput("a.webp", OTHER, name)) == (
        f"'a.webp' replaced an output of {other}; if that is not intended, use different values of "
        "spec.destination.prefix, or set spec.destination.overwrite to Never"
    )
    assert overwritten.overwrote_text(None) == ""
