"""What the chart and kustomize render, without what only one of the two can have."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from typing import Any

from distribution.rendering import Object, identity
from localcluster.paths import repository

MANIFESTS = repository() / "manifests"
PRODUCTION = repository() / "charts" / "imagejob" / "values-production.yaml"
STORE = {"IMAGEJOB_STORE_ENDPOINT": "s3.example.com", "IMAGEJOB_STORE_BUCKET": "media"}

OF_HELM = {"Job/{ns}/imagejob-uninstall", "Pod/{ns}/imagejob-test"}
"""The hooks. Helm also has the Lease, which the operator creates otherwise."""
HASH = re.compile(r"-[a-z0-9]{10}$")
"""With which kustomize ends the name of a ConfigMap; the chart has an annotation of the Pods instead."""
CHECKSUM = "checksum/settings"


def values(settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Values with these settings, and CRDs as kustomize installs them."""
    return {"settings": settings, "crds": {"keep": False}, **more}


def shared_by_helm(objects: Iterable[Object], namespace: str = "imagejob-system") -> list[Object]:
    """The objects of the chart that kustomize has too."""
    hooks = {name.format(ns=namespace) for name in OF_HELM}
    found = [copy.deepcopy(one) for one in objects if one["kind"] != "Lease" and identity(one) not in hooks]
    for one in found:
        if one["kind"] == "Deployment":
            del one["spec"]["template"]["metadata"]["annotations"][CHECKSUM]
    return found


def shared_by_kustomize(objects: Iterable[Object]) -> list[Object]:
    """The objects of kustomize that the chart has too: Helm makes the namespace itself."""
    found = [copy.deepcopy(one) for one in objects if one["kind"] != "Namespace"]
    for one in found:
        if one["kind"] == "FlowSchema":
            # kustomize takes it for an object of a namespace; the API server drops the field.
            del one["metadata"]["namespace"]
        if one["kind"] == "ConfigMap":
            one["metadata"]["name"] = HASH.sub("", one["metadata"]["name"])
        if one["kind"] == "Deployment":
            source, _ = one["spec"]["template"]["spec"]["containers"][0]["envFrom"]
            source["configMapRef"]["name"] = HASH.sub("", source["configMapRef"]["name"])
    return found


def config_map(settings: dict[str, str]) -> Object:
    """The ConfigMap that the base leaves to overlays, as the chart renders it."""
    image = {"IMAGEJOB_PROCESSOR_IMAGE": "registry.example.com/imagejob-processor:0.1.0"}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "imagejob-operator", "namespace": "imagejob-system"},
        "data": {**image, **settings},
    }


def settings_of(objects: Iterable[Object]) -> dict[str, str]:
    """The data of the ConfigMap of an overlay."""
    (data,) = (one["data"] for one in objects if one["kind"] == "ConfigMap")
    return dict(data)


def one_of(objects: Iterable[Object], kind: str) -> Object:
    """The only object of a kind."""
    (found,) = (one for one in objects if one["kind"] == kind)
    return found
