"""The port Owners on a real API server."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from fakes.build import SPEC
from imagejob_operator.adapters.kubernetes import listing
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Owner
from imagejob_operator.naming.names import API_VERSION, FINALIZER, KIND

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


class Bench:
    """A namespace of its own."""

    def __init__(self, http: KubeHTTP, namespace: str) -> None:
        self.http = http
        self.namespace = namespace
        self.owners = KubeOwners(http)
        self._path = f"/apis/{API_VERSION}/namespaces/{namespace}/imagejobs"

    async def create(self, name: str, finalizers: tuple[str, ...] = ()) -> str:
        metadata = {"name": name, "finalizers": list(finalizers)}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": SPEC}
        uid: str = (await self.http.request("POST", self._path, body))["metadata"]["uid"]
        return uid

    async def say(self, name: str, status: dict[str, Any]) -> None:
        merge = "application/merge-patch+json"
        await self.http.request("PATCH", f"{self._path}/{name}/status", {"status": status}, merge)

    async def delete(self, name: str) -> None:
        await self.http.request("DELETE", f"{self._path}/{name}")

    async def release(self, name: str) -> None:
        merge = "application/merge-patch+json"
        await self.http.request("PATCH", f"{self._path}/{name}", {"metadata": {"finalizers": None}}, merge)

    def key(self, name: str) -> Key:
        return Key(self.namespace, name)


@pytest.fixture
def bench(kube: KubeHTTP, namespace: str) -> Bench:
    return Bench(kube, namespace)


async def test_all_uids_over_many_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE", 2)
    made = {await bench.create(f"job-{number}"): bench.key(f"job-{number}") for number in range(5)}
    assert await bench.owners.uids((bench.namespace,)) == made
    everywhere = await bench.owners.uids(())
    assert made.items() <= everywhere.items()
    await bench.delete("job-0")
    assert len(await bench.owners.uids((bench.namespace,))) == 4
    assert await bench.owners.uids((f"not-{bench.namespace}",)) == {}


async def test_an_owner_from_its_beginning_to_its_end(bench: Bench) -> None:
    uid = await bench.create("a", (FINALIZER,))
    assert await bench.owners.get(bench.key("a")) == (uid, Owner(0, 0))
    await bench.say("a", {"phase": "Running", "run": {"id": "1", "number": 1, "epoch": 1}})
    assert await bench.owners.get(bench.key("a")) == (uid, Owner(1, 1, "Running"))
    await bench.delete("a")
    assert await bench.owners.get(bench.key("a")) == (uid, Owner(1, 1, "Running"))
    await bench.release("a")
    assert await bench.owners.get(bench.key("a")) is None


async def test_a_cluster_keeps_its_name(bench: Bench) -> None:
    assert uuid.UUID(await bench.owners.cluster_uid())
    assert await bench.owners.cluster_uid() == await bench.owners.cluster_uid()
