"""A result counts only if the store's listing agrees with it."""

from typing import Any

import msgspec
import pytest

from imagejob_contract.output import Format, Output
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode, ItemError, ItemResult, OutputRecord, Result, encode_result
from imagejob_operator.documents.results import (
    InvalidResult,
    Listed,
    lost_outcomes,
    read_result,
    summarise,
    verify,
)

WEB, THUMB = Rendition("web", Output(Format.WEBP)), Rendition("thumb", Output(Format.JPEG))
RECORD = {"rendition": "web", "bytes": 1, "width": 1, "height": 1, "sha256": "0" * 64}
SIZES = {"000004-web": 10, "000004-thumb": 5, "000005-web": 11, "000005-thumb": 6}
LISTING = {name: Listed(size, f"etag of {name}") for name, size in SIZES.items()}


def record(rendition: str, size: int) -> OutputRecord:
    return OutputRecord(rendition, size, 1, 1, "0" * 64)


def item(index: int, **sizes: int) -> ItemResult:
    return ItemResult(index, tuple(record(name, size) for name, size in sizes.items()))


def failed(index: int) -> ItemResult:
    return ItemResult(index, error=ItemError(ItemCode.UNDECODABLE, "not an image"))


def result(*items: ItemResult) -> Result:
    return Result(1, 2, 1, items)


GOOD = (item(4, web=10, thumb=5), item(5, web=11, thumb=6))


def test_a_correct_result_is_accepted() -> None:
    outcomes = verify(result(*GOOD), range(4, 6), [WEB, THUMB], LISTING)
    assert [(o.result.index, o.shard, o.attempt, len(o.result.outputs)) for o in outcomes] == [
        (4, 2, 1, 2),
        (5, 2, 1, 2),
    ]
    assert [stored.etag for stored in outcomes[1].stored] == ["etag of 000005-web", "etag of 000005-thumb"]


def test_a_failed_item_needs_no_outputs() -> None:
    outcomes = verify(result(GOOD[0], failed(5)), range(4, 6), [WEB, THUMB], LISTING)
    assert [(o.result.index, o.result.error is not None, o.stored == ()) for o in outcomes] == [
        (4, False, False),
        (5, True, True),
    ]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ((GOOD[0],), "exactly its items 4 to 5"),
        ((GOOD[1], GOOD[0]), "exactly its items"),
        ((*GOOD, failed(6)), "exactly its items"),
        ((GOOD[0], GOOD[0]), "exactly its items"),
        ((), "exactly its items"),
        ((GOOD[0], item(5, web=11)), "renditions"),
        ((GOOD[0], item(5, thumb=6, web=11)), "renditions"),
        ((GOOD[0], item(5, web=11, thumb=6, extra=1)), "renditions"),
        ((GOOD[0], item(5, web=12, thumb=6)), "lists 12 bytes for web of item 5, but the store has 11"),
        ((GOOD[0], item(5)), "renditions"),
    ],
    ids=["too-few", "order", "too-many", "twice", "none", "rendition-missing", "rendition-order",
         "rendition-extra", "size", "no-outputs-no-error"],
)  # fmt: skip
def test_anything_else_is_not(items: tuple[ItemResult, ...], words: str) -> None:
    with pytest.raises(InvalidResult, match="the result of shard 2") as refusal:
        verify(result(*items), range(4, 6), [WEB, THUMB], LISTING)
    assert words in str(refusal.value)


def test_a_missing_output_is_reported() -> None:
    with pytest.raises(InvalidResult, match="the store does not have it"):
        verify(result(*GOOD), range(4, 6), [WEB, THUMB], {})


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ({"version": 2}, {}),
        ({"shard": 3}, {}),
        ({"attempt": -1}, {}),
        ({"extra": 1}, {}),
        ({"items": []}, {}),
        ({}, {"extra": 1}),
        ({}, {"outputs": [{**RECORD, "sha256": "x"}]}),
        ({}, {"outputs": [{**RECORD, "bytes": 2**30}]}),
        ({}, {"error": {"code": "IMG_999", "message": ""}}),
        ({}, {"error": {"code": "IMG_001", "message": "x" * 301}}),
        ({}, {"error": {"code": "IMG_001", "message": ""}, "outputs": [RECORD]}),
        ({}, {"notes": ["x" * 201]}),
        ({}, {"notes": ["x"] * 9}),
        ({}, {"extra": "x" * 10_000}),
    ],
    ids=["version", "other-shard", "negative", "unknown-field", "items-in-head", "unknown-field-of-item",
         "hash", "huge-output", "code", "long-message", "failed-with-outputs", "long-note", "many-notes",
         "long-line"],
)  # fmt: skip
def test_a_result_outside_the_contract_is_refused(head: dict[str, Any], line: dict[str, Any]) -> None:
    lines = ({"version": 1, "shard": 2, "attempt": 1, **head}, {"index": 0, **line})
    with pytest.raises(InvalidResult, match="the result of shard 2"):
        read_result(b"\n".join(map(msgspec.json.encode, lines)), 2, 1, 1)


def test_a_result_is_read_back() -> None:
    assert read_result(encode_result(result(*GOOD)), 2, 2, 2) == result(*GOOD)


@pytest.mark.parametrize("data", [b"", b"\x00not json", b"\n\n\n\n", b"[" * 10_000], ids=str)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidResult):
        read_result(data, 0, 1, 1)


def test_counts() -> None:
    summary = summarise(result(GOOD[0], failed(5)))
    assert (summary.succeeded, summary.failed) == (1, 1)


def test_all_items_of_a_lost_shard_have_failed() -> None:
    outcomes = lost_outcomes(2, range(4, 6))
    assert [(o.result.index, o.result.error and o.result.error.code) for o in outcomes] == [
        (4, ItemCode.KILLED),
        (5, ItemCode.KILLED),
    ]


@pytest.mark.parametrize(("there", "accepted"), [(10, True), (16384, True), (32768, False), (16383, False)])
def test_an_output_may_be_padded_to_its_signed_length_and_to_no_other(there: int, accepted: bool) -> None:
    listing = {**LISTING, "000004-web": Listed(there, "e")}
    if accepted:
        assert verify(result(*GOOD), range(4, 6), [WEB, THUMB], listing)[0].stored[0].size == there
    else:
        with pytest.raises(
            InvalidResult, match=f"lists 10 bytes for web of item 4, but the store has {there}"
        ):
            verify(result(*GOOD), range(4, 6), [WEB, THUMB], listing)
