"""Owners of staging. No resource version is sent, so the API server does not answer from a stale cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagejob_operator.adapters.kubernetes.imagejobs import translate
from imagejob_operator.adapters.kubernetes.listing import METADATA_ONLY, list_objects
from imagejob_operator.adapters.kubernetes.session import ApiError, KubeHTTP
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.orphans import Owner, read_owner
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION
from imagejob_operator.ports.imagejobs import Gone, Unavailable


class KubeOwners:
    """See the port."""

    def __init__(self, http: KubeHTTP) -> None:
        self._http = http

    async def cluster_uid(self) -> str:
        """See the port."""
        uid: str = (await self._get("/api/v1/namespaces/kube-system"))["metadata"]["uid"]
        return uid

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        """See the port."""
        found: dict[str, Key] = {}
        base = f"/apis/{GROUP}/{VERSION}"
        try:
            async for item in list_objects(self._http, base, PLURAL, namespaces, accept=METADATA_ONLY):
                metadata = item["metadata"]
                found[metadata["uid"]] = Key(metadata["namespace"], metadata["name"])
        except ApiError as error:
            raise translate_listing(error) from error
        return found

    async def get(self, key: Key) -> tuple[str, Owner] | None:
        """See the port."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}"
        try:
            body = await self._http.request("GET", path)
        except ApiError as error:
            # A 404 about the kind itself says nothing about the job.
            if error.status == 404 and error.kind == PLURAL:
                return None
            raise translate_listing(error) from error
        return body["metadata"]["uid"], read_owner(body)

    async def _get(self, path: str) -> dict[str, Any]:
        try:
            return await self._http.request("GET", path)
        except ApiError as error:
            raise translate_listing(error) from error


def translate_listing(error: ApiError) -> Exception:
    """The port's error for a failed list."""
    translated = translate(error)
    # A list that was not found must never be taken for an empty one.
    return Unavailable(error.message) if isinstance(translated, Gone) else translated
