"""install.yaml: the base with the images of a release, for `kubectl apply -f`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import yaml

from distribution.chart import version
from distribution.rendering import Object, documents, kustomize
from localcluster.paths import repository

REGISTRY = "registry.example.com"
"""Stands for the registry of the images, as in manifests/overlays/production."""
OPERATOR = "imagejob-operator"

HEADER = """\
# The ImageJob operator {version}: CRDs, RBAC and one replica of the operator, in imagejob-system.
# It starts when the ConfigMap imagejob-operator (settings) and the Secret imagejob-store (credentials) exist:
# docs/administrators/install.md has the commands.
"""


def install_yaml(registry: str = REGISTRY) -> str:
    """The text of install.yaml, as kustomize writes it: other writers of YAML quote differently."""
    image = {"name": OPERATOR, "newName": f"{registry}/{OPERATOR}", "newTag": version()}
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.relpath(repository() / "manifests" / "base", Path(folder).resolve())
        overlay = {"resources": [base], "images": [image]}
        (Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
        return HEADER.format(version=version()) + kustomize(Path(folder))


def install_objects(registry: str = REGISTRY) -> list[Object]:
    """The objects of install.yaml."""
    return documents(install_yaml(registry))
