"""The census by listings of metadata only: no resource version is sent, so no old answer comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from imagejob_operator.adapters.kube_jobs import translate
from imagejob_operator.adapters.kube_owners import METADATA_ONLY, PAGE
from imagejob_operator.adapters.kube_session import ApiError, KubeHTTP
from imagejob_operator.core.api import GROUP, LABEL_INSTALLATION, LABEL_JOB, PLURAL, VERSION
from imagejob_operator.core.job import Key
from imagejob_operator.ports.census import Sight
from imagejob_operator.ports.jobs import Gone, Unavailable


class KubeCensus:
    """See the port for what each call promises."""

    def __init__(self, http: KubeHTTP, installation: str) -> None:
        self._http = http
        self._selector = f"{LABEL_INSTALLATION}%3D{installation}"

    async def jobs(self, namespaces: Sequence[str]) -> Mapping[str, Sight]:
        """See the port."""
        return await self._list(f"/apis/{GROUP}/{VERSION}", PLURAL, namespaces, "")

    async def attempts(self, namespaces: Sequence[str]) -> Mapping[str, Sight]:
        """See the port."""
        return await self._list("/api/v1", "pods", namespaces, f"&labelSelector={self._selector}")

    async def _list(self, base: str, kind: str, namespaces: Sequence[str], query: str) -> Mapping[str, Sight]:
        found: dict[str, Sight] = {}
        for place in [f"{base}/namespaces/{n}/{kind}" for n in namespaces] or [f"{base}/{kind}"]:
            token = ""
            while True:
                page = await self._page(f"{place}?limit={PAGE}{query}{token}")
                # Of nothing the API server makes null, not an empty list.
                for item in page["items"] or ():
                    metadata = item["metadata"]
                    name = metadata.get("labels", {}).get(LABEL_JOB, "") if query else metadata["name"]
                    key = Key(metadata["namespace"], name)
                    found[metadata["uid"]] = Sight(key, metadata["resourceVersion"])
                proceed = page["metadata"].get("continue")
                if not proceed:
                    break
                token = f"&continue={quote(proceed)}"
        return found

    async def _page(self, path: str) -> dict[str, Any]:
        try:
            return await self._http.request("GET", path, accept=METADATA_ONLY)
        except ApiError as error:
            translated = translate(error)
            # A listing that is not there is no listing: it must never pass for an empty one.
            raise Unavailable(error.message) if isinstance(translated, Gone) else translated from error
