"""Owners of staging."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.listing import list_metadata, never_gone
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Owner, read_owner
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION


class KubeOwners:
    """See the port."""

    def __init__(self, http: KubeHTTP) -> None:
        self._http = http

    async def cluster_uid(self) -> str:
        """See the port."""
        with never_gone():
            body = await self._http.request("GET", "/api/v1/namespaces/kube-system")
        uid: str = body["metadata"]["uid"]
        return uid

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        """See the port."""
        listing = list_metadata(self._http, f"/apis/{GROUP}/{VERSION}", PLURAL, namespaces)
        return {metadata["uid"]: Key(metadata["namespace"], metadata["name"]) async for metadata in listing}

    async def get(self, key: Key) -> tuple[str, Owner] | None:
        """See the port."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}"
        with never_gone():
            try:
                body = await self._http.request("GET", path)
            except ApiError as error:
                # A 404 about the kind itself says nothing about the job.
                if error.status == 404 and error.kind == PLURAL:
                    return None
                raise
        return body["metadata"]["uid"], read_owner(body)
