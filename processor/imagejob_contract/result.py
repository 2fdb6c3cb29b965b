"""The result of a processor Pod: one record per item, the exit code, and the termination message.

A result is stored as lines of JSON, so that its reader can bound each item before it decodes it.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

from imagejob_contract.wire import Wire

MAX_RESULT_BYTES = 16 * 1024 * 1024
MAX_OUTPUT_BYTES = 512 * 1024 * 1024
"""Size limit of one output."""
MAX_MESSAGE_CHARACTERS = 300
"""Length limit of every message in a result; the writer truncates longer ones."""
PROGRESS_BYTES = 128
"""The length of a progress object."""
MAX_NOTES = 8
MAX_NOTE_CHARACTERS = 200


class ExitCode(enum.IntEnum):
    """Exit codes of a processor Pod; 0 also if items failed."""

    DONE = 0
    BAD_ORDER = 65
    INTERNAL = 70
    RESULT_NOT_STORED = 74
    ORDER_EXPIRED = 75


class ItemCode(enum.StrEnum):
    """Why an item failed."""

    UNDECODABLE = "IMG_001"
    TOO_LARGE = "IMG_002"
    UNSUPPORTED_FORMAT = "IMG_003"
    SOURCE_CHANGED = "IMG_004"
    STEP_FAILED = "IMG_005"
    WRITE_FAILED = "IMG_006"
    TIMED_OUT = "IMG_007"
    KILLED = "IMG_008"
    OUTPUT_TOO_LARGE = "IMG_009"
    SOURCE_MISSING = "IMG_010"
    SOURCE_REFUSED = "IMG_011"
    SOURCE_UNREACHABLE = "IMG_012"
    CHECKSUM_MISMATCH = "IMG_013"
    BLOCKED_ADDRESS = "IMG_014"


Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Message = Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE_CHARACTERS)]
Notes = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=MAX_NOTE_CHARACTERS)], ...],
    msgspec.Meta(max_length=MAX_NOTES),
]
Side = Annotated[int, msgspec.Meta(ge=1, le=65535)]
SourceSide = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
"""Sources may be longer than any output: `limits.pixels` bounds them."""


class OutputRecord(Wire, frozen=True):
    """One stored output: file size in bytes, size in pixels, SHA-256 in hex."""

    rendition: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    bytes: Annotated[int, msgspec.Meta(ge=0, le=MAX_OUTPUT_BYTES)]
    width: Side
    height: Side
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]


class ItemError(Wire, frozen=True):
    """Why an item failed; the message has the value and the limit."""

    code: ItemCode
    message: Message


class SourceRecord(Wire, frozen=True):
    """The source file: size in bytes, SHA-256 in hex."""

    bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}\\Z")]


class ImageFacts(Wire, frozen=True):
    """Facts about a source. They come from the decoder, which is not trusted: do not base security on them.

    Attributes:
        format: Detected format.
        width: In pixels, upright.
        height: In pixels, upright.
        perceptual_hash: dHash in hex: 64 bits of which few differ between similar images.
        dominant_color: The most frequent colour, as #rrggbb.
        thumb_hash: ThumbHash in base64, a blurred preview.
    """

    format: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3,4}\\Z")]
    width: SourceSide
    height: SourceSide
    perceptual_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}\\Z")]
    dominant_color: Annotated[str, msgspec.Meta(pattern="^#[0-9a-f]{6}\\Z")]
    thumb_hash: Annotated[str, msgspec.Meta(max_length=40, pattern="^[A-Za-z0-9+/]*={0,2}\\Z")]


class Timings(Wire, frozen=True):
    """Milliseconds to fetch the source, to make all renditions, and to store them."""

    fetch: Count = 0
    process: Count = 0
    store: Count = 0


class ItemResult(Wire, frozen=True):
    """The result of one item: all outputs, or an error and none; and what is known of its source.

    `notes` say what the outputs lack although the source has it.
    """

    index: Count
    outputs: tuple[OutputRecord, ...] = ()
    error: ItemError | None = None
    source: SourceRecord | None = None
    image: ImageFacts | None = None
    timings: Timings = Timings()
    notes: Notes = ()

    def __post_init__(self) -> None:
        if self.error and self.outputs:
            raise ValueError("an item with an error has outputs")


class ResultHead(Wire, frozen=True):
    """The first line of a result."""

    version: Literal[1]
    shard: Count
    attempt: Count


class Result(ResultHead, frozen=True):
    """The result of one Pod; the first one stored for a shard is final."""

    items: tuple[ItemResult, ...]


def max_item_bytes(renditions: int) -> int:
    """Size limit of one item's line."""
    return 3072 + 3 * MAX_NOTES * MAX_NOTE_CHARACTERS + 512 * renditions


def max_result_bytes(items: int, renditions: int) -> int:
    """Size limit of the result of a shard: it follows from what was ordered."""
    return min(MAX_RESULT_BYTES, 1024 + items * max_item_bytes(renditions))


def encode_result(result: Result) -> bytes:
    """The result as it is stored: a line with its head, and one for each item."""
    head = ResultHead(result.version, result.shard, result.attempt)
    return b"\n".join(msgspec.json.encode(line) for line in (head, *result.items))


def decode_result(data: bytes, items: int, renditions: int) -> Result:
    """Decode the result of a shard with so many items; ValueError if it is not one."""
    head, *lines = data.split(b"\n", items + 1)
    if len(lines) != items:
        more = "more than " if len(lines) > items else ""
        raise ValueError(f"it has {more}{min(len(lines), items)} items instead of {items}")
    if max(map(len, (head, *lines))) > max_item_bytes(renditions):
        raise ValueError(f"a line has more than {max_item_bytes(renditions)} bytes")
    first = msgspec.json.decode(head, type=ResultHead)
    return Result(first.version, first.shard, first.attempt, tuple(map(_ITEM.decode, lines)))


_ITEM = msgspec.json.Decoder(ItemResult)


class Progress(Wire, frozen=True):
    """How many items of its shard a Pod has done so far."""

    succeeded: Count = 0
    failed: Count = 0


def encode_progress(progress: Progress) -> bytes:
    """The progress as it is stored: always of the same length, which the presigned URL may fix."""
    return msgspec.json.encode(progress).ljust(PROGRESS_BYTES)


class Work(enum.StrEnum):
    """What a Pod does: read its order, and for each item fetch, process and store."""

    ORDER = "order"
    FETCH = "fetch"
    PROCESS = "process"
    STORE = "store"


class PodSpan(Wire, frozen=True):
    """When a Pod did one kind of work, from the first start to the last end; see `Timings`.

    Attributes:
        work: The kind.
        start: By the clock of the node, in milliseconds since 1970.
        length: In milliseconds.
        busy: The sum over all `count` pieces of work, in milliseconds; several are done at once.
        count: Orders, sources, images or outputs.
    """

    work: Work
    start: Count
    length: Count
    busy: Count
    count: Count


class Summary(Wire, frozen=True):
    """The termination message of a Pod that stored its result: counts of its items, and its spans.

    The spans are here and not in the result because an older operator, after a downgrade, would refuse a
    result with an unknown field, but only ignores such a message.
    """

    succeeded: Count = 0
    failed: Count = 0
    skipped: Count = 0
    spans: Annotated[tuple[PodSpan, ...], msgspec.Meta(max_length=len(Work))] = ()
