"""A repository that Flux keeps a namespace equal to: manifests in a bucket, a Bucket, and a Kustomization.

The Kustomization is the shipped one (manifests/gitops), with another name, source and timeout.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import cache, partial
from io import BytesIO
from typing import Any

import yaml
from kubernetes import client

from demo import stack
from e2e.flux import judgement
from e2e.flux.controllers import NAMESPACE
from e2e.flux.judgement import Object
from e2e.world import Job, Shop, until
from localcluster.paths import repository

BUCKET = "fleet"
SOURCES = ("source.toolkit.fluxcd.io", "v1", NAMESPACE, "buckets")
KUSTOMIZATIONS = ("kustomize.toolkit.fluxcd.io", "v1", NAMESPACE, "kustomizations")
REQUEST = "reconcile.fluxcd.io/requestedAt"
"""What `flux reconcile` sets."""
KEPT = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}}
"""Is in the repository from the beginning to the end: Flux takes an empty one for a mistake."""


@cache
def shipped() -> Object:
    """The Kustomization that the docs show."""
    found: Object = yaml.safe_load((repository() / "manifests/gitops/flux-kustomization.yaml").read_text())
    return found


class Repository:
    """The repository of one namespace."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self._requests = itertools.count(1)
        store = shop.world.store.client
        if not store.bucket_exists(BUCKET):
            store.make_bucket(BUCKET)
        self._put("settings", [KEPT])

    def _put(self, file: str, documents: list[Object]) -> None:
        data = yaml.safe_dump_all(documents).encode()
        self.shop.world.store.client.put_object(
            BUCKET, f"{self.shop.name}/{file}.yaml", BytesIO(data), len(data)
        )

    # what a person does

    def commit(self, *removed: str, **files: list[Object] | Object) -> str:
        """Write and remove files at once, and wait until Flux has fetched them; returns the revision."""
        for name, found in files.items():
            self._put(name, found if isinstance(found, list) else [found])
        for name in removed:
            self.shop.world.store.client.remove_object(BUCKET, f"{self.shop.name}/{name}.yaml")
        return self._fetch()

    def follow(self, **spec: Any) -> None:
        """Let Flux apply the repository; `spec` changes the shipped Kustomization."""
        world, name = self.shop.world, self.shop.name
        host, port = world.store_address()
        access, hidden = stack.store_keys(world.kubectl)
        keys = {"accesskey": access, "secretkey": hidden}
        meta = {"name": name, "namespace": NAMESPACE}
        world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": keys}, NAMESPACE)
        source = {"bucketName": BUCKET, "prefix": f"{name}/", "endpoint": f"{host}:{port}"}
        source |= {"insecure": True, "provider": "generic", "interval": "1h", "secretRef": {"name": name}}
        world.apply(_body(SOURCES, "Bucket", name, source), NAMESPACE)
        wanted = {
            **shipped()["spec"],
            "interval": "1h",
            "timeout": "2m",
            "path": f"./{name}",
            "targetNamespace": name,
            "sourceRef": {"kind": "Bucket", "name": name},
            **spec,
        }
        world.apply(_body(KUSTOMIZATIONS, "Kustomization", name, wanted), NAMESPACE)

    def change(self, **spec: Any) -> None:
        """Change fields of the Kustomization."""
        self.shop.world.objects.patch_namespaced_custom_object(
            *KUSTOMIZATIONS, self.shop.name, {"spec": spec}
        )

    def sync(self, seconds: float = 150) -> Object:
        """Ask for a sync, as `flux reconcile` does, and wait for its end; returns the Kustomization."""
        request = self.ask(KUSTOMIZATIONS)
        self.await_state(lambda found: judgement.answered(found, request), "the sync has ended", seconds)
        return self.state()

    def ask(self, kind: tuple[str, str, str, str] = KUSTOMIZATIONS) -> str:
        """Ask for a sync, or for a fetch; returns the request."""
        request = f"request {next(self._requests)}"
        body = {"metadata": {"annotations": {REQUEST: request}}}
        self.shop.world.objects.patch_namespaced_custom_object(*kind, self.shop.name, body)
        return request

    def _fetch(self) -> str:
        objects = self.shop.world.objects
        try:
            request = self.ask(SOURCES)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return ""  # before follow()
        found: Object = {}

        def fetched() -> bool:
            found.update(objects.get_namespaced_custom_object(*SOURCES, self.shop.name))
            return judgement.answered(found, request) and judgement.readiness(found)[0] == "True"

        until("Flux has fetched the repository", fetched, 60, lambda: judgement.message(found))
        return str(found["status"]["artifact"]["revision"])

    # what it sees

    def state(self) -> Object:
        """The Kustomization."""
        found: Object = self.shop.world.objects.get_namespaced_custom_object(*KUSTOMIZATIONS, self.shop.name)
        return found

    def await_state(self, holds: Callable[[Object], bool], what: str, seconds: float) -> None:
        """Wait for a condition of the Kustomization."""
        until(what, lambda: holds(self.state()), seconds, lambda: str(self.state().get("status")))

    def await_ready(self, seconds: float = 100) -> None:
        """Wait until the newest revision is applied, and what it made is healthy."""

        def ready(found: Object) -> bool:
            return judgement.readiness(found)[0] == "True" and self._newest(found)

        self.await_state(ready, "the Kustomization is ready", seconds)

    def _newest(self, kustomization: Object) -> bool:
        source = self.shop.world.objects.get_namespaced_custom_object(*SOURCES, self.shop.name)
        revision = source.get("status", {}).get("artifact", {}).get("revision", "none")
        return bool(kustomization["status"].get("lastAppliedRevision") == revision)

    def left(self, name: str = "job") -> list[str]:
        """What a prune of an ImageJob has left."""
        return judgement.left(self._job(name), self.shop.leaks(), self.state())

    def _job(self, name: str) -> Job | None:
        try:
            return self.shop.get(name)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return None

    # the end

    def remove(self, seconds: float = 60) -> None:
        """Delete the Kustomization, which prunes what it applied, and wait until it is gone."""
        objects, name = self.shop.world.objects, self.shop.name
        for kind in (KUSTOMIZATIONS, SOURCES):
            try:
                objects.delete_namespaced_custom_object(*kind, name)
            except client.ApiException as error:
                if error.status != 404:
                    raise
            until(f"{kind[-1]}/{name} is gone", partial(self._gone, kind), seconds)

    def _gone(self, kind: tuple[str, str, str, str]) -> bool:
        listing = self.shop.world.objects.list_namespaced_custom_object(*kind)["items"]
        return not any(found["metadata"]["name"] == self.shop.name for found in listing)


def _body(kind: tuple[str, str, str, str], name: str, of: str, spec: Mapping[str, Any]) -> Object:
    group, version, namespace, _ = kind
    meta = {"name": of, "namespace": namespace}
    return {"apiVersion": f"{group}/{version}", "kind": name, "metadata": meta, "spec": dict(spec)}
