"""The Lease in the operator's own namespace."""

from __future__ import annotations

from typing import Any

from imagejob_operator.adapters.kubernetes.answers import translated
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Gone
from imagejob_operator.ports.lease import LeaseRecord

KEPT = ("name", "labels", "annotations", "ownerReferences", "finalizers")
"""Metadata that others may write: Helm deletes only objects with its labels and annotations."""


class KubeLease:
    """See the port."""

    def __init__(self, http: KubeHTTP, namespace: str, name: str, seconds: float, clock: Clock) -> None:
        self._http = http
        self._place = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
        self._name = name
        self._seconds = seconds
        self._clock = clock
        self._metadata: dict[str, Any] = {}
        """The kept metadata as last seen."""

    async def read(self) -> LeaseRecord | None:
        """See the port; no resource version is sent, so the answer is not from a stale cache."""
        try:
            with translated():
                return self._seen(await self._http.request("GET", f"{self._place}/{self._name}"))
        except Gone:
            return None

    async def write(self, holder: str, over: LeaseRecord | None) -> LeaseRecord:
        """See the port; the renew time makes every version new, and is for people only."""
        changed = over is not None and holder not in ("", over.holder)
        body: dict[str, Any] = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name},
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(self._seconds),
                "leaseTransitions": (over.transitions if over else 0) + changed,
                "renewTime": self._clock().isoformat(timespec="microseconds").replace("+00:00", "Z"),
            },
        }
        with translated():
            if over is None:
                return self._seen(await self._http.request("POST", self._place, body))
            # If it has changed since, the version makes the request fail.
            body["metadata"] |= {**self._metadata, "resourceVersion": over.version}
            return self._seen(await self._http.request("PUT", f"{self._place}/{self._name}", body))

    def _seen(self, body: dict[str, Any]) -> LeaseRecord:
        metadata, spec = body["metadata"], body.get("spec") or {}
        self._metadata = {name: metadata[name] for name in KEPT if name in metadata}
        holder, transitions = spec.get("holderIdentity") or "", spec.get("leaseTransitions") or 0
        return LeaseRecord(holder, metadata["resourceVersion"], transitions)
