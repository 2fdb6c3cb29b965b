"""The staging of a run: its keys, and the documents that the operator writes there."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec

from imagejob_contract.result import ItemError
from imagejob_contract.wire import Wire, decode
from imagejob_operator.documents.watermark_images import WatermarkImage

MAX_ITEMS = 100_000
"""Items of one run."""
ITEMS_PER_PART = 1000
"""A manifest with more items is written in parts of this many."""
MAX_PART_BYTES = MAX_MANIFEST_BYTES = 16 * 1024 * 1024
"""More than a part, or a manifest without parts, needs if its keys have 1,024 control characters each."""

URLS_SLACK = timedelta(minutes=10)
"""URLs outlive the run by a minute, and by more if they are signed just before its deadline."""


class ManifestItem(Wire, frozen=True):
    """One staged item: its index, the name of its source, the ETag and size of the object that Pods read."""

    index: int
    source: str
    etag: str
    size: int
    place: int = 0
    """Its position among all sources, which is the same in every run of them."""
    identity: str = ""
    """Identifies the bytes: the ETag of the source, or a hash."""
    key: str = ""
    """The key of the source, if Pods read that and not a copy."""
    error: ItemError | None = None
    """Why the source could not be staged: its Pod reports that without reading it."""


class Manifest(Wire, frozen=True):
    """All staged items in the order of their index. Written last: if it exists, staging is complete.

    The items of a large run are in parts beside it, so that an order need not read all of them.
    """

    items: tuple[ManifestItem, ...] = ()
    """Empty in a manifest that was written in parts."""
    count: Annotated[int, msgspec.Meta(ge=0, le=MAX_ITEMS)] = 0
    """How many items were staged."""
    copies: int = 0
    """How many of them were copied."""
    bytes: int = 0
    """Bytes of all copies."""
    urls_until: datetime | None = None
    """When the last URL that is signed for this staging expires."""
    watermark_images: tuple[WatermarkImage, ...] = ()
    """Copies of the images that watermarks use."""
    skipped: int = 0
    """How many other items are skipped; their report items are beside the manifest."""
    failed: int = 0
    """How many items could not be staged."""
    failures: tuple[ManifestItem, ...] = ()
    """The first ones of them, as many as the status shows."""
    note: str = ""
    """What is surprising about the spec, though valid."""


def manifest_key(prefix: str) -> str:
    """The key of the manifest."""
    return f"{prefix}manifest.json"


def part_key(prefix: str, part: int) -> str:
    """The key of a part of the manifest: the items from `part * ITEMS_PER_PART` on."""
    return f"{prefix}items/{part}.json"


def skipped_key(prefix: str) -> str:
    """The key of the report items of skipped items."""
    return f"{prefix}skipped.json"


def input_key(prefix: str, index: int) -> str:
    """The key of the copy of an item."""
    return f"{prefix}in/{index:06d}"


def list_key(prefix: str) -> str:
    """The key of the copy of `spec.source.list`."""
    return f"{prefix}list"


def order_key(prefix: str, shard: int, attempt: int) -> str:
    """The key of the order of an attempt."""
    return f"{prefix}orders/{shard}-{attempt}.json"


def output_prefix(prefix: str, shard: int, attempt: int) -> str:
    """Where an attempt writes its outputs; no two attempts share it."""
    return f"{prefix}out/{shard}-{attempt}/"


def result_key(prefix: str, shard: int) -> str:
    """The key of the result of a shard; the first one written counts."""
    return f"{prefix}results/{shard}.json"


def progress_prefix(prefix: str) -> str:
    """Where running attempts write how many items they have done."""
    return f"{prefix}progress/"


def progress_name(shard: int, attempt: int) -> str:
    """The name of the progress object of an attempt below `progress_prefix`; no two attempts share it."""
    return f"{shard}-{attempt}"


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest; raises msgspec.DecodeError if it is not one."""
    return decode(data, Manifest)
