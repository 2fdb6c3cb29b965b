"""The order: the work of one processor Pod.

The operator writes one order per Pod to the staging of the run. The Pod fetches it by the URL in its
environment, stores outputs and one result, and leaves counts in its termination message.
"""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec

from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemError
from imagejob_contract.wire import Wire

ORDER_URL_VARIABLE = "IMAGEJOB_ORDER_URL"
"""Environment variable with the presigned GET URL of the order."""

STORE_CA_VARIABLE = "IMAGEJOB_STORE_CA"
"""Environment variable with the CA bundle of the store, in PEM."""

TERMINATION_LOG_VARIABLE = "IMAGEJOB_TERMINATION_LOG"
"""Environment variable that overrides `/dev/termination-log`, for runs outside a Pod."""

ENGINE_VARIABLE = "IMAGEJOB_ENGINE"
"""Environment variable with the name of the resampling engine."""

MAX_ORDER_BYTES = 16 * 1024 * 1024
PADDED_LENGTHS = tuple(1 << bits for bits in range(14, 30))
"""Lengths of stored outputs in stores without POST Object: 16 KiB to the limit of one output.

The length of a presigned PUT is part of its signature, and that of an output is not known when it is signed.
"""
MAX_WATERMARK_IMAGE_BYTES = 1024 * 1024
"""Size limit of a watermark image."""


class EngineName(enum.StrEnum):
    """Resampling engines: Pillow's own filters, or the same filters with SIMD instructions."""

    PILLOW = "Pillow"
    SIMD = "Simd"


class ItemLimits(Wire, frozen=True):
    """Limits per item: size of the file, pixels, frames, and processing time."""

    item_bytes: Annotated[int, msgspec.Meta(ge=1)]
    pixels: Annotated[int, msgspec.Meta(ge=1)]
    frames: Annotated[int, msgspec.Meta(ge=1)]
    item_timeout_seconds: Annotated[int, msgspec.Meta(ge=1)]


class OrderItem(Wire, frozen=True):
    """One source image: its index in the run, its name, and its presigned URL.

    A source that could not be staged has an `error` instead of a URL: the Pod only repeats it in its result.
    """

    index: Annotated[int, msgspec.Meta(ge=0)]
    source: str
    url: str
    etag: str
    error: ItemError | None = None


class OrderWatermark(Wire, frozen=True):
    """One watermark image: the key that steps refer to, and its presigned URL."""

    key: str
    url: str
    etag: str


class Upload(Wire, frozen=True):
    """How a Pod stores outputs, as `key_prefix` and `output_name`: by a POST policy, or by presigned PUTs.

    With a policy, a Pod posts `fields`, `key`, `Content-Type` and, last, `file` to `url`. It allows only keys
    below `key_prefix`. With `signatures`, a Pod puts to `put_url` an output, and zeros up to `padded_length`.
    """

    url: str
    key_prefix: str
    fields: dict[str, str]
    max_bytes: int
    query: str = ""
    """Of presigned PUTs, without their signatures."""
    signatures: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """Of presigned PUTs, by `output_name`: one for each of PADDED_LENGTHS."""

    def put_url(self, name: str, length: int) -> str:
        """The URL to PUT an output with a body of this length, one of PADDED_LENGTHS."""
        signature = self.signatures[name][PADDED_LENGTHS.index(length)]
        return f"{self.url}{name}?{self.query}&X-Amz-Signature={signature}"


class Order(Wire, frozen=True):
    """The work of one Pod. `result_url` is a presigned PUT, to be sent with `If-None-Match: *`.

    `progress_url` is a presigned PUT of exactly PROGRESS_BYTES; the Pod overwrites the object while it works.
    """

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
    progress_url: str
    watermark_images: tuple[OrderWatermark, ...] = ()


def output_name(index: int, rendition: str) -> str:
    """Return the name of an output below the `key_prefix` of the order."""
    return f"{index:06d}-{rendition}"


def padded_length(size: int) -> int:
    """The smallest of PADDED_LENGTHS that an output of so many bytes fits in; ValueError if there is none."""
    if not 1 <= size <= PADDED_LENGTHS[-1]:
        raise ValueError(f"an output of {size} bytes has no padded length")
    return next(length for length in PADDED_LENGTHS if size <= length)
