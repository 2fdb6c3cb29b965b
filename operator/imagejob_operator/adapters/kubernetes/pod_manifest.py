"""The Pod of an attempt, and the Secret with its order. The Pod is restricted and has no credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from imagejob_contract.order import ENGINE_VARIABLE, ORDER_URL_VARIABLE, STORE_CA_VARIABLE, EngineName
from imagejob_operator.api.imagejob import ImageJob, attempt_name, whole_spec
from imagejob_operator.api.spec import item_limits
from imagejob_operator.naming.names import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_EPOCH,
    LABEL_INSTALLATION,
    LABEL_JOB,
    LABEL_MANAGED_BY,
    LABEL_RUN,
    LABEL_RUN_UID,
    LABEL_SHARD,
    MANAGED_BY,
)
from imagejob_operator.validation.pod_resources import pod_resources
from imagejob_operator.validation.pod_template_policy import NOTHING_ALLOWED, PodTemplatePolicy

ORDER_ENTRY = "order-url"
"""The Secret's entry with the URL of the order."""

CA_BUNDLE_ENTRY = "store-ca"
"""The Secret's entry with the store's CA bundle, if it has one."""

CONTAINER = "processor"
GRACE_SECONDS = 10

QUEUE_PREFIX = "kueue.x-k8s.io/"
QUEUE_LABEL = f"{QUEUE_PREFIX}queue-name"
QUEUE_GATE = f"{QUEUE_PREFIX}admission"
"""Kueue's label for plain Pods, and the scheduling gate that it removes when it admits one."""

_COPIED = (
    "nodeSelector",
    "tolerations",
    "affinity",
    "topologySpreadConstraints",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "imagePullSecrets",
    "serviceAccountName",
)
"""Fields of `execution.podTemplate` that are copied into the Pod's spec."""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """Settings of all processor Pods."""

    installation: str
    image: str
    pull_policy: str = "IfNotPresent"
    engine: EngineName = EngineName.SIMD
    allowed: PodTemplatePolicy = NOTHING_ALLOWED
    """What users may set in podTemplate."""


def pod_manifest(
    settings: PodSettings, job: ImageJob, shard: int, number: int, remaining: timedelta
) -> dict[str, Any]:
    """The Pod of one attempt; `remaining` is the time until the run's active deadline."""
    spec = whole_spec(job)
    assert job.status.run is not None  # noqa: S101
    place = job.status.run.place
    template, queue = spec.execution.pod_template, spec.execution.queue_name
    resources = pod_resources(spec.renditions, item_limits(spec.limits), template.get("resources", {}))
    name = attempt_name(job.key, job.uid, place, shard, number)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": job.key.namespace,
            "labels": {
                **template.get("labels", {}),
                **({QUEUE_LABEL: queue} if queue else {}),
                LABEL_MANAGED_BY: MANAGED_BY,
                LABEL_INSTALLATION: settings.installation,
                LABEL_JOB: job.key.name,
                LABEL_RUN: str(place.number),
                LABEL_EPOCH: str(place.epoch),
                LABEL_RUN_UID: place.uid,
                LABEL_SHARD: str(shard),
                LABEL_ATTEMPT: str(number),
            },
            "annotations": {
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "true",
                "kubectl.kubernetes.io/default-container": CONTAINER,
                **template.get("annotations", {}),
            },
            "ownerReferences": [_owner(API_VERSION, KIND, job.key.name, job.uid)],
        },
        "spec": {
            **{field: template[field] for field in _COPIED if field in template},
            # Kueue adds the gate only in namespaces that it serves: elsewhere the Pod must not bypass it.
            **({"schedulingGates": [{"name": QUEUE_GATE}]} if queue else {}),
            "restartPolicy": "Never",
            "activeDeadlineSeconds": max(1, int(remaining.total_seconds())),
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [_container(settings, name, resources)],
        },
    }


def _container(settings: PodSettings, secret: str, resources: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "env": [
            {
                "name": ORDER_URL_VARIABLE,
                "valueFrom": {"secretKeyRef": {"name": secret, "key": ORDER_ENTRY}},
            },
            {
                "name": STORE_CA_VARIABLE,
                "valueFrom": {"secretKeyRef": {"name": secret, "key": CA_BUNDLE_ENTRY, "optional": True}},
            },
            {"name": ENGINE_VARIABLE, "value": settings.engine.value},
        ],
        "resources": resources,
        "terminationMessagePolicy": "File",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def secret_manifest(
    namespace: str, pod_name: str, pod_uid: str, order_url: str, ca_bundle: str = ""
) -> dict[str, Any]:
    """The Secret that a Pod waits for; the Pod owns it."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "immutable": True,
        "metadata": {
            "name": pod_name,
            "namespace": namespace,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY},
            "ownerReferences": [_owner("v1", "Pod", pod_name, pod_uid)],
        },
        "stringData": {ORDER_ENTRY: order_url, **({CA_BUNDLE_ENTRY: ca_bundle} if ca_bundle else {})},
    }


def _owner(version: str, kind: str, name: str, uid: str) -> dict[str, Any]:
    owner = {"apiVersion": version, "kind": kind, "name": name, "uid": uid}
    return {**owner, "controller": True, "blockOwnerDeletion": False}


def remaining_time(now: datetime, ends_by: datetime) -> timedelta:
    """The remaining time of the run; at least a second, so that the Pod reports how it ended."""
    return max(timedelta(seconds=1), ends_by - now)
