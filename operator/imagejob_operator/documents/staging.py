"""What lies in a run's staging: names, and the documents that the operator writes there."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from imagejob_contract.wire import Wire
from imagejob_operator.documents.watermark_images import WatermarkImage

MAX_MANIFEST_BYTES = 64 * 1024 * 1024
ITEMS_A_PART = 1000
"""Up to so many items stand in the manifest itself; each part has as many."""
MAX_PART_BYTES = 8 * 1024 * 1024
"""More than keys of 512 characters can make of a part."""

URLS_SLACK = timedelta(minutes=10)
"""URLs outlive the run by a minute; one that is signed late, just before the deadline, by a little more."""


class ManifestItem(Wire, frozen=True):
    """One staged item: its index, the user's key, the copy's ETag, its size in bytes.

    `identity` is what its bytes are known by: the ETag of the source, or a hash.
    """

    index: int
    source: str
    etag: str
    size: int
    position: int | None = None
    """Where it stands in the whole source, if the run takes only some of it."""
    identity: str = ""
    key: str = ""
    """Where it is read from if it was not copied: the source itself, whose ETag `etag` is then."""

    @property
    def place(self) -> int:
        """Where it stands in the whole source: the same in every run of it."""
        return self.index if self.position is None else self.position


class Parts(Wire, frozen=True):
    """What a manifest that was written in parts has in them: how many items, and their copies and bytes."""

    items: int
    copies: int
    bytes: int


class Manifest(Wire, frozen=True):
    """All staged items in the order of their index. Written last: where it is, staging is complete.

    Of a large run the items lie beside it in parts, so that an order need not read all of them.
    """

    items: tuple[ManifestItem, ...]
    base: str = ""
    """Folder that `{dir}` of the key template is relative to."""
    urls_until: datetime | None = None
    """No URL that is ever signed for this staging lives longer."""
    parts: Parts | None = None
    """Where it is set, `items` is empty as it was written."""
    watermark_images: tuple[WatermarkImage, ...] = ()
    """Copies of the images that watermarks are made of."""
    skipped: int = 0
    """Items beside those that need not be made; what is known of each lies beside the manifest."""

    @property
    def count(self) -> int:
        """How many items were staged."""
        return self.parts.items if self.parts else len(self.items)

    @property
    def bytes(self) -> int:
        """Bytes of all copies."""
        return self.parts.bytes if self.parts else sum(item.size for item in self.items if not item.key)

    @property
    def copies(self) -> int:
        """How many items were copied."""
        return self.parts.copies if self.parts else sum(not item.key for item in self.items)


def manifest_key(prefix: str) -> str:
    """Where the manifest lies."""
    return f"{prefix}manifest.json"


def part_key(prefix: str, part: int) -> str:
    """Where a part of the manifest lies: its items from `part * ITEMS_A_PART` on."""
    return f"{prefix}items/{part}.json"


def skipped_key(prefix: str) -> str:
    """Where it lies what is known of the items that need not be made."""
    return f"{prefix}skipped.json"


def input_key(prefix: str, index: int) -> str:
    """Where the copy of an item lies."""
    return f"{prefix}in/{index:06d}"


def list_key(prefix: str) -> str:
    """Where the copy of `spec.source.list` lies."""
    return f"{prefix}list"


def order_key(prefix: str, shard: int, attempt: int) -> str:
    """Where the order of an attempt lies."""
    return f"{prefix}orders/{shard}-{attempt}.json"


def output_prefix(prefix: str, shard: int, attempt: int) -> str:
    """Where an attempt may write its outputs; two attempts at one shard never share it."""
    return f"{prefix}out/{shard}-{attempt}/"


def result_key(prefix: str, shard: int) -> str:
    """Where the result of a shard lies; the first one written is the one that counts."""
    return f"{prefix}results/{shard}.json"


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: if it is not one.
    """
    return msgspec.json.decode(data, type=Manifest)


def read_part(data: bytes) -> tuple[ManifestItem, ...]:
    """Read a part of a manifest.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: if it is none.
    """
    return msgspec.json.decode(data, type=tuple[ManifestItem, ...])
