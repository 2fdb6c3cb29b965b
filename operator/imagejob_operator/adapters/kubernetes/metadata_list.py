"""The metadata lister."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from imagejob_operator.adapters.kubernetes.listing import list_metadata
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
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
        listing = list_metadata(self._http, f"/apis/{GROUP}/{VERSION}", PLURAL, namespaces)
        return {
            m["uid"]: ListedObject(Key(m["namespace"], m["name"]), m["resourceVersion"])
            async for m in listing
        }

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, ListedObject]:
        """See the port."""
        listing = list_metadata(self._http, "/api/v1", "pods", namespaces, self._selector)
        return {
            m["uid"]: ListedObject(Key(m["namespace"], m["labels"].get(LABEL_JOB, "")), m["resourceVersion"])
            async for m in listing
        }
