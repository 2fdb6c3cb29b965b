"""The metadata lister. No resource version is sent, so the API server does not answer from a stale cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imagejob_operator.adapters.kubernetes.listing import METADATA_ONLY, list_objects
from imagejob_operator.adapters.kubernetes.owners import translate_listing
from imagejob_operator.adapters.kubernetes.session import ApiError, KubeHTTP
from imagejob_operator.api.imagejob import Key
from imagejob_operator.naming.names import GROUP, LABEL_INSTALLATION, LABEL_JOB, PLURAL, VERSION
from imagejob_operator.ports.metadata_list import ListedObject


class KubeMetadataLister:
    """See the port."""

    def __init__(self, http: KubeHTTP, installation: str) -> None:
        self._http = http
        self._selector = f"{LABEL_INSTALLATION}={installation}"

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        """See the port."""
        return await self._list(f"/apis/{GROUP}/{VERSION}", PLURAL, namespaces, "")

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        """See the port."""
        return await self._list("/api/v1", "pods", namespaces, self._selector)

    async def _list(
        self, base: str, kind: str, namespaces: Sequence[str], selector: str
    ) -> Mapping[str, ListedObject]:
        found: dict[str, ListedObject] = {}
        try:
            async for item in list_objects(self._http, base, kind, namespaces, selector, METADATA_ONLY):
                metadata = item["metadata"]
                name = metadata.get("labels", {}).get(LABEL_JOB, "") if selector else metadata["name"]
                key = Key(metadata["namespace"], name)
                found[metadata["uid"]] = ListedObject(key, metadata["resourceVersion"])
        except ApiError as error:
            raise translate_listing(error) from error
        return found
