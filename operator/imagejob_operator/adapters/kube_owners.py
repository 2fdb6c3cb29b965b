"""Owners of staging, read from the API server itself: no resource version is sent, so no old answer comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from imagejob_operator.adapters.kube_jobs import translate
from imagejob_operator.adapters.kube_session import ApiError, KubeHTTP
from imagejob_operator.core.api import GROUP, PLURAL, VERSION
from imagejob_operator.core.job import Key
from imagejob_operator.core.sweep import Owner, Unknown, read_owner
from imagejob_operator.ports.jobs import Gone, Unavailable

PAGE = 500
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubeOwners:
    """See the port for what each call promises."""

    def __init__(self, http: KubeHTTP) -> None:
        self._http = http

    async def cluster(self) -> str:
        """See the port; the namespace kube-system is as old as its cluster."""
        uid: str = (await self._get("/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        return uid

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        """See the port; all pages of one listing are of the same moment, that of the first."""
        base = f"/apis/{GROUP}/{VERSION}"
        found: dict[str, Key] = {}
        for place in [f"{base}/namespaces/{n}/{PLURAL}" for n in namespaces] or [f"{base}/{PLURAL}"]:
            token = ""
            while True:
                page = await self._get(f"{place}?limit={PAGE}{token}", METADATA_ONLY)
                # Of nothing the API server makes null, not an empty list.
                for item in page["items"] or ():
                    metadata = item["metadata"]
                    found[metadata["uid"]] = Key(metadata["namespace"], metadata["name"])
                proceed = page["metadata"].get("continue")
                if not proceed:
                    break
                token = f"&continue={quote(proceed)}"
        return found

    async def look(self, key: Key) -> tuple[str, Owner | Unknown] | None:
        """See the port."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}"
        try:
            body = await self._http.request("GET", path)
        except ApiError as error:
            # Only the job itself may be missing: if its kind is, nothing is known of any job.
            if error.status == 404 and error.kind == PLURAL:
                return None
            raise _error(error) from error
        return body["metadata"]["uid"], read_owner(body)

    async def _get(self, path: str, accept: str = "application/json") -> dict[str, Any]:
        try:
            return await self._http.request("GET", path, accept=accept)
        except ApiError as error:
            raise _error(error) from error


def _error(error: ApiError) -> Exception:
    translated = translate(error)
    # A listing that is not there is no listing: it must never pass for an empty one.
    return Unavailable(error.message) if isinstance(translated, Gone) else translated
