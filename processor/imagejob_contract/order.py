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

from imagejob_contract.recipe import Rendition
from imagejob_contract.wire import Wire

ORDER_URL_VARIABLE = "IMAGEJOB_ORDER_URL"
"""Environment variable with the presigned GET URL of the order."""

STORE_CA_VARIABLE = "IMAGEJOB_STORE_CA"
"""Environment variable with PEM certificates of the authorities that sign the store's own one."""

TERMINATION_LOG_VARIABLE = "IMAGEJOB_TERMINATION_LOG"
"""Environment variable that overrides `/dev/termination-log`, for runs outside a Pod."""

ENGINE_VARIABLE = "IMAGEJOB_ENGINE"
"""Environment variable of a Pod with the name of the engine that its administrator chose."""

MAX_ORDER_BYTES = 16 * 1024 * 1024
MAX_WATERMARK_IMAGE_BYTES = 1024 * 1024
"""The longest image that a watermark may be made of."""


class EngineName(enum.StrEnum):
    """What an administrator may choose: Pillow's own filters, or the same ones in SIMD instructions."""

    PILLOW = "Pillow"
    SIMD = "Simd"


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


class OrderWatermarkImage(Wire, frozen=True):
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
    watermark_images: tuple[OrderWatermarkImage, ...] = ()


def output_name(index: int, rendition: str) -> str:
    """Name of an output below the order's `key_prefix`: what the Pod writes and the operator expects."""
    return f"{index:06d}-{rendition}"


# --- the result --------------------------------------------------------------------------------------
