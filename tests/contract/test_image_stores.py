"""The port ImageStores: the fake and a real API server keep the same promises.

No operator may run there: it would have its own word on each store.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import pytest

from fakes.clock import ManualClock
from fakes.memory_stores import MemoryStores, image_store
from imagejob_operator.adapters.kubernetes.imagestores import KubeImageStores
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.imagestore import ImageStore, StoreStatus, parse_store
from imagejob_operator.api.imagestore_status import Readiness, StoreReason, store_status
from imagejob_operator.naming.names import API_VERSION, STORE_KIND, STORE_PLURAL
from imagejob_operator.ports.imagejobs import Conflict, Gone
from imagejob_operator.ports.imagestores import ImageStores, NotUsable

SPEC = {
    "endpoint": "store.example",
    "bucket": "media",
    "auth": {"secretRef": {"name": "keys"}},
}
AUDIENCE = "sts.example"


class Bench(Protocol):
    """An API server, and what users do."""

    image_stores: ImageStores
    namespace: str

    async def apply(self) -> ImageStore: ...
    async def delete(self) -> None: ...
    async def bring(self) -> None:
        """A Secret `keys`, a ConfigMap `authority` and a ServiceAccount `robot`."""
        ...

    def named_by(self, token: str) -> tuple[str, str]:
        """Account and audience of a token."""
        ...


class MemoryBench:
    """The fake."""

    namespace = "shop"

    def __init__(self) -> None:
        self.stores = MemoryStores(ManualClock())
        self.image_stores = self.stores
        self._applied = 0

    async def apply(self) -> ImageStore:
        self._applied += 1
        return self.stores.declare(image_store(uid=f"uid-{self._applied}"))

    async def delete(self) -> None:
        for key in [*self.stores.declared]:
            self.stores.remove(key)

    async def bring(self) -> None:
        self.stores.secrets["shop", "keys"] = {"access-key": "a", "secret-key": "s"}
        self.stores.config_maps["shop", "authority"] = {"ca.crt": "PEM"}
        self.stores.accounts.add(("shop", "robot"))

    def named_by(self, token: str) -> tuple[str, str]:
        account, _, audience = token.removeprefix("token of ").partition(" for ")
        return account, audience


@dataclass
class KubeBench:
    """A namespace of a real API server."""

    http: KubeHTTP
    namespace: str

    def __post_init__(self) -> None:
        self.image_stores = KubeImageStores(self.http)
        self._path = f"/apis/{API_VERSION}/namespaces/{self.namespace}/{STORE_PLURAL}"

    async def apply(self) -> ImageStore:
        body = {"apiVersion": API_VERSION, "kind": STORE_KIND, "metadata": {"name": "media"}, "spec": SPEC}
        return parse_store(await self.http.request("POST", self._path, body))

    async def delete(self) -> None:
        await self.http.request("DELETE", f"{self._path}/media")

    async def bring(self) -> None:
        await self._create("secrets", "keys", stringData={"access-key": "a", "secret-key": "s"})
        await self._create("configmaps", "authority", data={"ca.crt": "PEM"})
        await self._create("serviceaccounts", "robot")

    async def _create(self, what: str, name: str, **content: Any) -> None:
        path = f"/api/v1/namespaces/{self.namespace}/{what}"
        await self.http.request("POST", path, {"metadata": {"name": name}, **content})

    def named_by(self, token: str) -> tuple[str, str]:
        middle = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        (audience,) = claims["aud"]
        return claims["kubernetes.io"]["serviceaccount"]["name"], audience


Check = Callable[[Bench], Awaitable[None]]
CHECKS: list[Check] = []


def check(promise: Check) -> Check:
    """A promise of the port, checked on everything that implements it."""
    CHECKS.append(promise)
    return promise


def found(store: ImageStore, reason: StoreReason = StoreReason.READY) -> StoreStatus:
    return store_status(store, Readiness(reason, ""), datetime.now(UTC).replace(microsecond=0))


@check
async def a_status_is_written_and_watched(bench: Bench) -> None:
    store = await bench.apply()
    ready = await bench.image_stores.write_status(store, found(store))
    assert [c.reason for c in ready.status.conditions] == ["Ready"]
    assert (ready.uid, ready.generation) == (store.uid, store.generation)
    assert ready.resource_version != store.resource_version
    refused = await bench.image_stores.write_status(ready, found(ready, StoreReason.CREDENTIALS_REFUSED))
    assert [c.reason for c in refused.status.conditions] == ["CredentialsRefused"]


@check
async def no_status_is_written_for_a_store_that_has_changed(bench: Bench) -> None:
    store = await bench.apply()
    await bench.image_stores.write_status(store, found(store))
    with pytest.raises(Conflict):
        await bench.image_stores.write_status(store, found(store, StoreReason.UNREACHABLE))


@check
async def no_status_is_written_for_a_store_that_is_gone(bench: Bench) -> None:
    store = await bench.apply()
    await bench.delete()
    with pytest.raises(Gone):
        await bench.image_stores.write_status(store, found(store))


@check
async def no_status_is_written_for_another_store_of_that_name(bench: Bench) -> None:
    store = await bench.apply()
    await bench.delete()
    await bench.apply()
    with pytest.raises(Conflict):
        await bench.image_stores.write_status(store, found(store))


@check
async def what_a_store_refers_to_is_read(bench: Bench) -> None:
    await bench.bring()
    assert await bench.image_stores.secret(bench.namespace, "keys") == {"access-key": "a", "secret-key": "s"}
    assert await bench.image_stores.config_map(bench.namespace, "authority") == {"ca.crt": "PEM"}
    token = await bench.image_stores.token(bench.namespace, "robot", AUDIENCE)
    assert bench.named_by(token) == ("robot", AUDIENCE)


@check
async def what_does_not_exist_is_reported_as_missing(bench: Bench) -> None:
    image_stores, home = bench.image_stores, bench.namespace
    for ask, reason in (
        (lambda: image_stores.secret(home, "none"), StoreReason.SECRET_NOT_FOUND),
        (lambda: image_stores.config_map(home, "none"), StoreReason.CONFIG_MAP_NOT_FOUND),
        (lambda: image_stores.token(home, "none", AUDIENCE), StoreReason.SERVICE_ACCOUNT_NOT_FOUND),
    ):
        with pytest.raises(NotUsable, match="none") as caught:
            await ask()
        assert caught.value.reason is reason


by_name = pytest.mark.parametrize("promise", CHECKS, ids=lambda promise: promise.__name__)


@by_name
async def test_the_fake(promise: Check) -> None:
    await promise(MemoryBench())


@pytest.fixture
def server(kube: KubeHTTP, namespace: str) -> KubeBench:
    return KubeBench(kube, namespace)


@pytest.mark.cluster
@pytest.mark.timeout(900)
@by_name
async def test_an_api_server(promise: Check, server: KubeBench) -> None:
    await promise(server)
