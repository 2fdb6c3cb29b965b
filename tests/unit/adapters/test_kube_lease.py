"""The Lease keeps the metadata that others write."""

from __future__ import annotations

from typing import Any

from fakes.build import NOW
from imagejob_operator.adapters.kubernetes.lease import KubeLease

HELM = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "imagejob"},
}


class Server:
    """One Lease, as Helm makes it: without a spec."""

    def __init__(self) -> None:
        self.metadata: dict[str, Any] = {"name": "imagejob-a", "uid": "u1", "resourceVersion": "1", **HELM}
        self.spec: dict[str, Any] = {}

    async def request(self, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        if verb == "PUT":
            version = str(int(self.metadata["resourceVersion"]) + 1)
            assert body["metadata"].pop("resourceVersion") == self.metadata["resourceVersion"]
            self.metadata = {"uid": "u1", "resourceVersion": version, **body["metadata"]}
            self.spec = body["spec"]
        return {"metadata": self.metadata, **({"spec": self.spec} if self.spec else {})}


async def test_labels_and_annotations_of_others_survive_every_write() -> None:
    server = Server()
    lease = KubeLease(server, "imagejob-system", "imagejob-a", 12, lambda: NOW)  # type: ignore[arg-type]
    empty = await lease.read()
    assert empty
    assert empty.holder == ""
    taken = await lease.write("a", empty)
    server.metadata["labels"] = {**server.metadata["labels"], "team": "images"}
    await lease.read()
    await lease.write("a", taken)
    assert server.spec["holderIdentity"] == "a"
    assert server.metadata["labels"] == {**HELM["labels"], "team": "images"}
    assert server.metadata["annotations"] == HELM["annotations"]
