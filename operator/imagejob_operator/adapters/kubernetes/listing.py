"""Paginated lists. No resource version is sent, so the API server does not answer from a stale cache."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec

from imagejob_operator.adapters.kubernetes.answers import translated
from imagejob_operator.adapters.kubernetes.session import METADATA_ONLY, KubeHTTP
from imagejob_operator.naming.names import LABEL_JOB
from imagejob_operator.ports.imagejobs import Gone, Unavailable

PAGE = 10
"""Objects per request: each may have 1.5 MiB, and 20 times as much when the page is decoded."""
METADATA_PAGE = 20
"""The same for metadata, of which only a part is decoded."""


class _Labels(msgspec.Struct):
    job: str = msgspec.field(default="", name=LABEL_JOB)


class _Metadata(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    labels: _Labels = msgspec.field(default_factory=_Labels)


class _Item(msgspec.Struct):
    metadata: _Metadata


class MetadataList(msgspec.Struct):
    """What is used of a list of metadata."""

    metadata: dict[str, Any]
    items: list[_Item] | None = None


async def list_objects(
    http: KubeHTTP,
    base: str,
    kind: str,
    namespaces: Sequence[str],
    selector: str = "",
    accept: str = "application/json",
) -> AsyncIterator[dict[str, Any]]:
    """All objects of a kind in some namespaces, or in all if none is named; ApiError if a page fails.

    All pages of a namespace are from the moment of the first one. `base` is the path of the API group.
    """
    limit, only = (METADATA_PAGE, MetadataList) if accept == METADATA_ONLY else (PAGE, None)
    query = f"?limit={limit}" + (f"&labelSelector={quote(selector)}" if selector else "")
    for place in [f"{base}/namespaces/{name}/{kind}" for name in namespaces] or [f"{base}/{kind}"]:
        token = ""
        while True:
            page = await http.request("GET", f"{place}{query}{token}", accept=accept, only=only)
            # The API server writes an empty list as null.
            for item in page["items"] or ():
                yield item
            if not (proceed := page["metadata"].get("continue")):
                break
            token = f"&continue={quote(proceed)}"


async def list_metadata(
    http: KubeHTTP, base: str, kind: str, namespaces: Sequence[str], selector: str = ""
) -> AsyncIterator[dict[str, Any]]:
    """The metadata of all objects of a kind; a JobsError if the list is not complete."""
    with never_gone():
        listing = list_objects(http, base, kind, namespaces, selector, METADATA_ONLY)
        async for item in listing:
            yield item["metadata"]


@contextmanager
def never_gone() -> Iterator[None]:
    """Raise an ApiError as the port's error, but never Gone: it must not be taken for an empty answer."""
    try:
        with translated():
            yield
    except Gone as error:
        raise Unavailable(str(error)) from error
