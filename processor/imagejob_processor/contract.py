"""All that the operator and a processor Pod know of each other.

The operator writes one *order* per Pod into the run's staging; the Pod fetches it by the URL in its
environment, puts *outputs* and one *result* back, leaves counts in its termination message and ends
with one of the exit codes below. Nothing here may import more than the standard library and msgspec:
the operator's image carries this module without Pillow.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

from imagejob_processor.recipe import CONTENT_TYPES as CONTENT_TYPES
from imagejob_processor.recipe import EXTENSIONS as EXTENSIONS
from imagejob_processor.recipe import PIXELS_VERSION as PIXELS_VERSION
from imagejob_processor.recipe import Crop as Crop
from imagejob_processor.recipe import Fit as Fit
from imagejob_processor.recipe import Format as Format
from imagejob_processor.recipe import Gravity as Gravity
from imagejob_processor.recipe import Metadata as Metadata
from imagejob_processor.recipe import Output as Output
from imagejob_processor.recipe import Rendition as Rendition
from imagejob_processor.recipe import Resize as Resize
from imagejob_processor.recipe import Rotate as Rotate
from imagejob_processor.recipe import Step as Step
from imagejob_processor.recipe import Watermark as Watermark
from imagejob_processor.recipe import Wire as Wire

ORDER_URL_VARIABLE = "IMAGEJOB_ORDER_URL"
"""Environment variable with the presigned GET URL of the order."""

STORE_TRUST_VARIABLE = "IMAGEJOB_STORE_CA"
"""Environment variable with PEM certificates of the authorities that sign the store's own one."""

TERMINATION_LOG_VARIABLE = "IMAGEJOB_TERMINATION_LOG"
"""Environment variable that overrides `/dev/termination-log`, for runs outside a Pod."""

ENGINE_VARIABLE = "IMAGEJOB_ENGINE"
"""Environment variable of a Pod with the name of the engine that its administrator chose."""

MAX_ORDER_BYTES = 16 * 1024 * 1024
MAX_MARK_BYTES = 1024 * 1024
"""The longest image that a watermark may be made of."""

MAX_RESULT_BYTES = 16 * 1024 * 1024
MAX_MESSAGE_CHARACTERS = 300
"""Length limit of every message in a result; longer ones are cut by the writer."""


class ExitCode(enum.IntEnum):
    """How a processor Pod ends. 0 also when items failed: the result says which."""

    DONE = 0
    BAD_ORDER = 65
    INTERNAL = 70
    RESULT_NOT_STORED = 74
    ORDER_EXPIRED = 75


class EngineName(enum.StrEnum):
    """What an administrator may choose: Pillow's own filters, or the same ones in SIMD instructions."""

    PILLOW = "Pillow"
    SIMD = "Simd"


class ItemCode(enum.StrEnum):
    """Why an item failed. A code never changes its meaning."""

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


class ItemLimits(Wire, frozen=True):
    """Limits per item, checked before anything is decoded: bytes, pixels of one frame, frames, seconds."""

    item_bytes: Annotated[int, msgspec.Meta(ge=1)]
    pixels: Annotated[int, msgspec.Meta(ge=1)]
    frames: Annotated[int, msgspec.Meta(ge=1)]
    item_timeout_seconds: Annotated[int, msgspec.Meta(ge=1)]


# --- the order ---------------------------------------------------------------------------------------


class OrderItem(Wire, frozen=True):
    """One source image: `index` in the run, the key that people know it by, and where to get it."""

    index: Annotated[int, msgspec.Meta(ge=0)]
    source: str
    url: str
    etag: str


class OrderMark(Wire, frozen=True):
    """One image that watermarks are made of: the key by which steps name it, and where to get it."""

    key: str
    url: str
    etag: str


class Upload(Wire, frozen=True):
    """Where outputs go: an S3 POST policy that admits keys below `key_prefix` only.

    A Pod posts `fields` plus `key` (`key_prefix` + the output's name, see `output_name`), `Content-Type` and
    last the field `file`.
    """

    url: str
    key_prefix: str
    fields: dict[str, str]
    max_bytes: int


class Order(Wire, frozen=True):
    """The whole task of one Pod. `result_url` is a presigned PUT, sent with `If-None-Match: *`."""

    version: Literal[1]
    job: str
    run: int
    shard: int
    attempt: int
    items: tuple[OrderItem, ...]
    renditions: tuple[Rendition, ...]
    limits: ItemLimits
    upload: Upload
    result_url: str
    marks: tuple[OrderMark, ...] = ()


def output_name(index: int, rendition: str) -> str:
    """Name of an output below the order's `key_prefix`: what the Pod writes and the operator expects."""
    return f"{index:06d}-{rendition}"


# --- the result --------------------------------------------------------------------------------------

Count = Annotated[int, msgspec.Meta(ge=0)]
Message = Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE_CHARACTERS)]
Side = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class OutputRecord(Wire, frozen=True):
    """One stored rendition: encoded size in bytes, size in pixels, sha256 of the bytes in hex."""

    rendition: Annotated[str, msgspec.Meta(min_length=1, max_length=32)]
    bytes: Count
    width: Side
    height: Side
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ItemError(Wire, frozen=True):
    """Why an item failed, for people; the limit and the value are in the message."""

    code: ItemCode
    message: Message


class SourceRecord(Wire, frozen=True):
    """The source file as it was fetched: its bytes, and sha256 of them in hex."""

    bytes: Count
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class ImageFacts(Wire, frozen=True):
    """What a source looks like; from the decoder, so for people and never for a decision about safety.

    Attributes:
        format: What it was recognised as.
        width: In pixels, upright.
        height: In pixels, upright.
        perceptual_hash: 64 bits in hex of which few differ between pictures that look alike (dHash).
        dominant_color: What most of the picture is near to, as #rrggbb.
        thumb_hash: A blurred preview, ThumbHash in base64.
    """

    format: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3,4}$")]
    width: Side
    height: Side
    perceptual_hash: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
    dominant_color: Annotated[str, msgspec.Meta(pattern="^#[0-9a-f]{6}$")]
    thumb_hash: Annotated[str, msgspec.Meta(max_length=40, pattern="^[A-Za-z0-9+/]*={0,2}$")]


class Timings(Wire, frozen=True):
    """Milliseconds of wall time: to fetch the source, to make all pictures, to store them."""

    fetch: Count = 0
    process: Count = 0
    store: Count = 0


class ItemResult(Wire, frozen=True):
    """What became of one item: all renditions, or an error and none; and what is known of its source."""

    index: Count
    outputs: tuple[OutputRecord, ...] = ()
    error: ItemError | None = None
    source: SourceRecord | None = None
    image: ImageFacts | None = None
    timings: Timings = Timings()


class Result(Wire, frozen=True):
    """What one Pod did; the first one stored for a shard is the one that counts."""

    version: Literal[1]
    shard: Count
    attempt: Count
    items: tuple[ItemResult, ...]


class Summary(Wire, frozen=True):
    """The termination message of a Pod: counts of its items, and why it ended when it did no work."""

    succeeded: Count = 0
    failed: Count = 0
    skipped: Count = 0
    error: Message = ""
