"""The stack of all cases, with a proxy for the store, a registry, and admission webhooks."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client
from prometheus_client.parser import text_string_to_metric_families

from demo.stack import NAMESPACE, OPERATOR
from e2e.faults.servers import Webhook, registry
from e2e.faults.store_proxy import StoreProxy
from e2e.world import World
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION

GRACE, BUDGET, START = 8, 10, 6
"""Seconds: start grace and cleaning budget of the operator here, and the start deadline of most cases."""

PATCHED = "imagejob.dev/e2e-patched"
DENIED = "imagejob.dev/e2e-denied"
UNREACHED = "imagejob.dev/e2e-unreached"
"""Labels of namespaces whose Pods are changed, refused, or put to a webhook that is not there."""
KEPT = "imagejob.dev/e2e-kept"
FROZEN = "imagejob.dev/e2e-frozen"
"""Labels of namespaces in which a webhook denies deletions of Pods, or updates of ImageJobs."""

SETTINGS = {
    "IMAGEJOB_START_GRACE_SECONDS": str(GRACE),
    "IMAGEJOB_CLEANING_BUDGET_SECONDS": str(BUDGET),
    "IMAGEJOB_POD_ALLOWED_SERVICE_ACCOUNTS": "no-such-account",
    "IMAGEJOB_POD_ALLOWED_PRIORITY_CLASSES": "no-such-class",
    "IMAGEJOB_POD_ALLOWED_RUNTIME_CLASSES": "no-such-runtime",
}


@dataclass(frozen=True)
class Arena:
    """The stack of all cases."""

    world: World
    proxy: StoreProxy
    webhook: Webhook
    registry: str


@contextlib.contextmanager
def arena(world: World, host: str, registry_hosts: Path, folder: Path) -> Iterator[Arena]:
    """The operator behind the store proxy, and registered webhooks."""
    webhook = Webhook()
    with (
        registry(host, registry_hosts) as images,
        webhook.serving(host, folder),
        _registered(world, webhook),
        store_proxy(world, host, **SETTINGS) as proxy,
    ):
        yield Arena(world, proxy, webhook, images)


@contextlib.contextmanager
def store_proxy(world: World, host: str, **settings: str) -> Iterator[StoreProxy]:
    """The operator behind the store proxy, with other settings."""
    proxy = StoreProxy(host, world.store_address())
    proxy.start()
    try:
        with world.operator_environment(**settings, IMAGEJOB_STORE_ENDPOINT=proxy.address):
            yield proxy
    finally:
        proxy.stop()


@contextlib.contextmanager
def _registered(world: World, webhook: Webhook) -> Iterator[None]:
    admission = client.AdmissionregistrationV1Api(world.api)
    on_pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    on_deletes = {**on_pods, "operations": ["DELETE"]}
    on_updates = {
        "apiGroups": [GROUP],
        "apiVersions": [VERSION],
        "operations": ["UPDATE"],
        "resources": [PLURAL],
    }

    def hook(
        name: str, label: str, config: Mapping[str, str], rule: Mapping[str, list[str]] = on_pods
    ) -> dict[str, Any]:
        return {
            "name": f"{name}.e2e.imagejob.dev",
            "clientConfig": dict(config),
            "rules": [dict(rule)],
            "namespaceSelector": {"matchLabels": {label: "true"}},
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 5,
            "admissionReviewVersions": ["v1"],
        }

    closed = {**webhook.client_config("/deny"), "url": "https://127.0.0.1:1/deny"}
    mutating = {
        "metadata": {"name": "imagejob-e2e"},
        "webhooks": [hook("patch", PATCHED, webhook.client_config("/patch"))],
    }
    validating = {
        "metadata": {"name": "imagejob-e2e"},
        "webhooks": [
            hook("deny", DENIED, webhook.client_config("/deny")),
            hook("unreached", UNREACHED, closed),
            hook("keep", KEPT, webhook.client_config("/deny"), on_deletes),
            hook("freeze", FROZEN, webhook.client_config("/deny"), on_updates),
        ],
    }
    unregister(world)
    admission.create_mutating_webhook_configuration(mutating)
    admission.create_validating_webhook_configuration(validating)
    try:
        yield
    finally:
        unregister(world)


def unregister(world: World) -> None:
    """Delete the webhooks, also those of a test run that was killed."""
    admission = client.AdmissionregistrationV1Api(world.api)
    for delete in (
        admission.delete_mutating_webhook_configuration,
        admission.delete_validating_webhook_configuration,
    ):
        with contextlib.suppress(client.ApiException):
            delete("imagejob-e2e")


End = tuple[str, str, str]
"""Phase, code and reason of a run that has ended."""


def finished_runs(world: World) -> dict[End, int]:
    """The operator's metric of finished runs."""
    pod = world.pod_of(OPERATOR).metadata.name
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/metrics"
    return read_finished(world.kubectl("get", "--raw", path))


def read_finished(metrics: str) -> dict[End, int]:
    """The finished runs in a page of metrics."""
    counter = "imagejob_finished_total"
    found: Counter[End] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            if sample.name == counter:
                end = (sample.labels["phase"], sample.labels["code"], sample.labels["reason"])
                found[end] += int(sample.value)
    return dict(found)
