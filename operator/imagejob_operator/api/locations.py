"""The part of the spec that names objects in the store: where the items come from, where the outputs go."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Annotated

from msgspec import Meta

from imagejob_contract.recipe import Rendition
from imagejob_contract.wire import Wire
from imagejob_operator.api.output_headers import Headers
from imagejob_operator.validation.urls import MAX_URL_CHARACTERS

Key = Annotated[str, Meta(min_length=1, max_length=512)]
Glob = Annotated[str, Meta(min_length=1, max_length=256)]

SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z"
BASE64 = r"^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?\Z"


class Match(Wire, frozen=True):
    """Sources by listing: keys below `prefix` that some include and no exclude glob matches."""

    prefix: Key
    include: Annotated[tuple[Glob, ...], Meta(max_length=16)] = ()
    exclude: Annotated[tuple[Glob, ...], Meta(max_length=16)] = ()
    max_items: Annotated[int, Meta(ge=1, le=10000)] = 10000


class InlineFile(Wire, frozen=True):
    """A small source kept in the manifest: base64 data of at most 64 KiB."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    data: Annotated[str, Meta(min_length=1, max_length=87384, pattern=BASE64)]


class ListSource(Wire, frozen=True):
    """Sources by a list that lies in the store: one key a line."""

    key: Key


class SecretRef(Wire, frozen=True):
    """A Secret of the job's namespace."""

    name: Annotated[str, Meta(min_length=1, max_length=253, pattern=SUBDOMAIN)]


class StoreRef(Wire, frozen=True):
    """An ImageStore of the job's namespace."""

    name: Annotated[str, Meta(min_length=1, max_length=253, pattern=SUBDOMAIN)]


class UrlSource(Wire, frozen=True):
    """A source on a web server, fetched by the operator."""

    url: Annotated[str, Meta(max_length=MAX_URL_CHARACTERS)]
    sha256: Annotated[str, Meta(max_length=64, pattern=r"^[0-9a-f]{64}\Z")] | None = None
    headers_secret_ref: SecretRef | None = None
    """Headers to send, by name; never to another origin."""


class Source(Wire, frozen=True):
    """Where the items come from: exactly one member is set."""

    keys: Annotated[tuple[Key, ...], Meta(min_length=1, max_length=1000)] | None = None
    match: Match | None = None
    list: ListSource | None = None
    urls: Annotated[tuple[UrlSource, ...], Meta(min_length=1, max_length=256)] | None = None
    inline: Annotated[tuple[InlineFile, ...], Meta(min_length=1, max_length=8)] | None = None


class StagingMode(enum.StrEnum):
    """What Pods read: a copy of each source in the run's staging, or the source itself with its ETag."""

    COPY = "Copy"
    REFERENCE = "Reference"


class Staging(Wire, frozen=True):
    """How the sources are held still while the run lasts."""

    mode: StagingMode = StagingMode.COPY


class Overwrite(enum.StrEnum):
    """What happens to an object that has the key of an output already."""

    ALWAYS = "Always"
    NEVER = "Never"
    IF_DIFFERENT = "IfDifferent"


class Destination(Wire, frozen=True):
    """Where the outputs go: `prefix` + `key_template` below the namespace's part of the store."""

    prefix: Annotated[str, Meta(max_length=512)] = ""
    key_template: Annotated[str, Meta(min_length=1, max_length=256)] = "{dir}{stem}-{rendition}.{ext}"
    overwrite: Overwrite = Overwrite.ALWAYS
    headers: Headers = Headers()
    store_ref: StoreRef | None = None


SOURCE_KINDS = ("keys", "match", "list", "urls", "inline")
"""The members of `spec.source`."""


def watermark_image_keys(renditions: Iterable[Rendition]) -> list[str]:
    """The keys of all images that the watermarks of some renditions are made of, each once."""
    watermark_images = (step.watermark for rendition in renditions for step in rendition.steps)
    return list(
        dict.fromkeys(mark.image for mark in watermark_images if mark is not None and mark.image is not None)
    )
