"""Whether Argo CD, Flux or Helm keeps an object equal to a repository, so that a change would be reverted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LABELS = {
    "kustomize.toolkit.fluxcd.io/name": "the Flux Kustomization",
    "helm.toolkit.fluxcd.io/name": "the Flux HelmRelease",
    "argocd.argoproj.io/instance": "the Argo CD Application",
}
_ANNOTATION = "argocd.argoproj.io/tracking-id"
_MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
}


def managed_by(body: Mapping[str, Any]) -> str:
    """What manages the object, such as `the Flux Kustomization 'shop'`; empty if it is not managed."""
    metadata = body.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for label, owner in _LABELS.items():
        if name := labels.get(label):
            return f"{owner} {name!r}"
    if tracked := annotations.get(_ANNOTATION):
        return f"the Argo CD Application {str(tracked).partition(':')[0]!r}"
    writers = [entry.get("manager", "") for entry in metadata.get("managedFields") or []]
    return next((_MANAGERS[writer] for writer in writers if writer in _MANAGERS), "")
