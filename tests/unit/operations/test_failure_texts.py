"""The whole text of each failure of staging, with its code and reason."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import MAX_WATERMARK_IMAGE_BYTES
from imagejob_contract.result import ItemCode, ItemError
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import FailedItem
from imagejob_operator.decision.operation import Stage
from imagejob_operator.documents.source_list import MAX_LIST_BYTES
from imagejob_operator.operations.failed import OperationFailed, denied, failed_item
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.staging import plan
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import (
    BucketMissing,
    ObjectChanged,
    ObjectMissing,
    StoreDenied,
)
from imagejob_operator.validation.keys import MAX_KEY_BYTES

MATCH = {"match": {"prefix": "uploads/", "include": ["*.jpg"]}}
LIST = {"list": {"key": "list.txt"}}
MARKED = [{"name": "web", "steps": [{"watermark": {"image": "logo.png"}}], "output": {"format": "PNG"}}]


def store_with(*keys: str) -> MemoryStore:
    store = MemoryStore()
    for key in keys:
        store.set(f"shop/{key}", b"bytes")
    return store


async def failed(store: MemoryStore, **fields: Any) -> Failure:
    of = job(status(Phase.STAGING), spec(**fields))
    with pytest.raises(OperationFailed) as caught:
        await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    assert not caught.value.transient
    return caught.value.failure


@pytest.mark.parametrize(
    ("keys", "source", "reason", "text"),
    [
        (
            (),
            MATCH,
            Reason.SOURCE_EMPTY,
            "spec.source.match: no object exists under 'shop/uploads/'; upload objects or correct the prefix",
        ),
        (
            ("uploads/a.jpg", "uploads/folder/"),
            MATCH,
            Reason.SOURCE_EMPTY,
            "spec.source.match: none of 1 objects under 'shop/uploads/' matches include and exclude; globs "
            "match the whole key, not only the name: use '**/*.jpg' instead of '*.jpg'",
        ),
        (
            ("uploads/a.jpg",),
            {"match": {"prefix": "uploads/", "include": ["x/*.jpg"]}},
            Reason.SOURCE_EMPTY,
            "spec.source.match: none of 1 objects under 'shop/uploads/' matches include and exclude; globs "
            "match the whole key, not only the name: correct them",
        ),
        (
            ("uploads/a.jpg", "uploads/b.jpg"),
            {"match": {"prefix": "uploads/", "maxItems": 1}},
            Reason.TOO_MANY_ITEMS,
            "spec.source.match: the objects that match under 'uploads/' exceed maxItems (1); narrow the "
            "globs or raise maxItems",
        ),
        (
            (),
            LIST,
            Reason.SOURCE_NOT_FOUND,
            "spec.source.list: there is no object 'list.txt' under 'shop/'; upload it or correct the key",
        ),
    ],
    ids=["nothing-there", "a-glob-of-names", "another-glob", "too-many", "no-list"],
)
async def test_a_source_without_items(
    keys: tuple[str, ...], source: dict[str, Any], reason: Reason, text: str
) -> None:
    assert await failed(store_with(*keys), source=source) == Failure(Code.STAGING, reason, text)


async def test_as_many_as_max_items_are_not_too_many() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.jpg", "uploads/folder/")
    of = job(status(Phase.STAGING), spec(source={"match": {"prefix": "uploads/", "maxItems": 2}}))
    done = await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    assert done.items == 2


async def test_a_list_without_keys() -> None:
    store = store_with()
    store.set("shop/list.txt", b"\n")
    text = "spec.source.list: 'list.txt' is empty; write one key per line"
    assert await failed(store, source=LIST) == Failure(Code.STAGING, Reason.SOURCE_EMPTY, text)


async def test_a_list_that_is_too_large() -> None:
    store = store_with()
    store.set("shop/list.txt", b"\n" * (MAX_LIST_BYTES + 1))
    text = (
        f"spec.source.list: 'list.txt' has {MAX_LIST_BYTES + 1} bytes; at most {MAX_LIST_BYTES} are allowed; "
        "split it into several jobs"
    )
    assert await failed(store, source=LIST) == Failure(Code.STAGING, Reason.SOURCE_TOO_LARGE, text)


async def test_an_object_whose_key_cannot_be_an_item_is_to_be_excluded() -> None:
    text = (
        "spec.source.match: the key of an object: 'uploads/./a.jpg' must not have a '.' or '..' segment, "
        "which HTTP clients and servers resolve; exclude it by a glob"
    )
    failure = await failed(store_with("uploads/./a.jpg"), source={"match": {"prefix": "uploads/"}})
    assert failure == Failure(Code.CREATION, Reason.INVALID_SPEC, text)


async def test_too_many_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [{"name": name, "output": {"format": "WebP"}} for name in ("web", "print")]
    keys = ("a.jpg", "b.jpg")
    monkeypatch.setattr(plan, "MAX_OUTPUTS", 3)
    text = (
        "spec.source: 2 items with 2 renditions each would create 4 outputs, but a run may have at most 3; "
        "split it into several jobs"
    )
    failure = await failed(store_with(*keys), source={"keys": list(keys)}, renditions=two)
    assert failure == Failure(Code.STAGING, Reason.TOO_MANY_ITEMS, text)
    monkeypatch.setattr(plan, "MAX_OUTPUTS", 4)
    of = job(status(Phase.STAGING), spec(source={"keys": list(keys)}, renditions=two))
    done = await stage(store_with(*keys), downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    assert done.items == 2


SOURCE = {"keys": ["a.jpg"]}


async def test_a_watermark_image_that_does_not_exist() -> None:
    text = (
        "spec.renditions: watermark.image: there is no object 'logo.png' under 'shop/'; upload it or correct "
        "the key"
    )
    failure = await failed(store_with("a.jpg"), source=SOURCE, renditions=MARKED)
    assert failure == Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)


async def test_a_watermark_image_that_is_too_large() -> None:
    store = store_with("a.jpg")
    store.set("shop/logo.png", b"x" * (MAX_WATERMARK_IMAGE_BYTES + 1))
    text = (
        f"spec.renditions: watermark.image: 'logo.png' has {MAX_WATERMARK_IMAGE_BYTES + 1} bytes; at most "
        f"{MAX_WATERMARK_IMAGE_BYTES} are allowed; use a smaller image"
    )
    failure = await failed(store, source=SOURCE, renditions=MARKED)
    assert failure == Failure(Code.STAGING, Reason.SOURCE_TOO_LARGE, text)


@pytest.mark.parametrize("error", [ObjectChanged("412"), ObjectMissing("404")])
async def test_a_watermark_image_that_changes_while_it_is_copied(error: Exception) -> None:
    store = store_with("a.jpg", "logo.png")
    store.hooks.fail(error, "copy", about="watermark")
    text = (
        "spec.renditions: watermark.image: 'logo.png' was changed or deleted while it was being staged; "
        "change spec.run.id to start a new run"
    )
    failure = await failed(store, source=SOURCE, renditions=MARKED)
    assert failure == Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)


@pytest.mark.parametrize(
    ("code", "error", "reason", "text"),
    [
        (Code.STAGING, StoreDenied("403"), Reason.ACCESS_DENIED, "no access: 403"),
        (Code.PUBLISH, StoreDenied("403"), Reason.DESTINATION_DENIED, "no access: 403"),
        (Code.STAGING, BucketMissing("404"), Reason.BUCKET_NOT_FOUND, "404"),
        (Code.PUBLISH, BucketMissing("404"), Reason.BUCKET_NOT_FOUND, "404"),
    ],
)
def test_a_call_that_is_denied(code: Code, error: StoreDenied, reason: Reason, text: str) -> None:
    assert denied(code, "no access", error) == Failure(code, reason, text)


def test_a_failed_item_is_bounded() -> None:
    found = failed_item("k" * (MAX_KEY_BYTES + 1), ItemError(ItemCode.UNDECODABLE, "not an image"))
    assert found == FailedItem("k" * MAX_KEY_BYTES, "IMG_001", "not an image")
