"""Paginated lists. No resource version is sent, so the API server does not answer from a stale cache."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import quote

from imagejob_operator.adapters.kubernetes.session import KubeHTTP

PAGE = 500
"""Objects per request."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


async def list_objects(
    http: KubeHTTP,
    base: str,
    kind: str,
    namespaces: Sequence[str],
    selector: str = "",
    accept: str = "application/json",
) -> AsyncIterator[dict[str, Any]]:
    """All objects of a kind in some namespaces, or in all if none is named.

    All pages are from the moment of the first one.

    Args:
        http: the API server.
        base: path of the group and version, such as `/api/v1`.
        kind: the plural, such as `pods`.
        namespaces: empty for all.
        selector: labels that the objects must have.
        accept: the media type, such as METADATA_ONLY.

    Raises:
        ApiError: a page cannot be read; the objects before it are not the complete list.
    """
    query = f"?limit={PAGE}" + (f"&labelSelector={quote(selector)}" if selector else "")
    for place in [f"{base}/namespaces/{name}/{kind}" for name in namespaces] or [f"{base}/{kind}"]:
        token = ""
        while True:
            page = await http.request("GET", f"{place}{query}{token}", accept=accept)
            # The API server writes an empty list as null.
            for item in page["items"] or ():
                yield item
            if not (proceed := page["metadata"].get("continue")):
                break
            token = f"&continue={quote(proceed)}"
