"""Owners of staging, read from the API server itself: no resource version is sent, so no old answer comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagejob_operator.adapters.kubernetes.imagejobs import translate
from imagejob_operator.adapters.kubernetes.listing import METADATA_ONLY, list_objects
from imagejob_operator.adapters.kubernetes.session import ApiError, KubeHTTP
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.orphans import Owner, Unknown, read_owner
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION
from imagejob_operator.ports.imagejobs import Gone, Unavailable


class KubeOwners:
    """See the port for what each call promises."""

    def __init__(self, http: KubeHTTP) -> None:
        self._http = http

    async def cluster(self) -> str:
        """See the port; the namespace kube-system is as old as its cluster."""
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

    async def look(self, key: Key) -> tuple[str, Owner | Unknown] | None:
        """See the port."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}"
        try:
            body = await self._http.request("GET", path)
        except ApiError as error:
            # Only the job itself may be missing: if its kind is, nothing is known of any job.
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
    """What an answer to a listing means in the words of the ports."""
    translated = translate(error)
    # A listing that is not there is no listing: it must never pass for an empty one.
    return Unavailable(error.message) if isinstance(translated, Gone) else translated
