"""Objects as GitOps controllers see them, and what the libraries of these controllers make of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec
import yaml

from fakes.build import SPEC, at_phase
from imagejob_operator.api.imagestore import StoreStatus
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status, status_body
from localcluster import binaries
from localcluster.commands import run
from localcluster.paths import repository

GITOPS = repository() / "manifests" / "gitops"
LUA = "resource.customizations.health.imagejob.dev_{kind}"
UNSEEN = {"observedGeneration": -1}
"""The status that the API server gives to a new object."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What kstatus, Flux and Argo CD say of one object."""

    kstatus: str
    flux: str
    argocd: str


def imagejob(status: Status | None, generation: int = 1, deleted: bool = False) -> Object:
    """An ImageJob with a status; None is one that the operator has not seen."""
    body = UNSEEN if status is None else json.loads(msgspec.json.encode(status_body(status)))
    return _object("ImageJob", SPEC, body, generation, deleted)


def imagestore(status: StoreStatus | None) -> Object:
    """An ImageStore with a status; None is one that the operator has not checked."""
    body = UNSEEN if status is None else json.loads(msgspec.json.encode(status))
    return _object("ImageStore", {}, body, 1, False)


def _object(kind: str, spec: Any, status: Any, generation: int, deleted: bool) -> Object:
    metadata: Object = {"name": "a", "namespace": "shop", "generation": generation}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "apiVersion": "imagejob.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


@cache
def lua(kind: str) -> str:
    """The shipped health check of Argo CD for a kind."""
    text: str = yaml.safe_load((GITOPS / "argocd-cm.yaml").read_text())["data"][LUA.format(kind=kind)]
    return text


@cache
def expressions() -> dict[str, str]:
    """The shipped health expressions of Flux."""
    (found,) = yaml.safe_load((GITOPS / "flux-kustomization.yaml").read_text())["spec"]["healthCheckExprs"]
    return {name: found[name] for name in ("current", "inProgress", "failed") if name in found}


def verdicts(
    objects: Sequence[Object], script: str = "", flux: dict[str, str] | None = None
) -> list[Verdict]:
    """What the libraries say; `script` and `flux` replace the shipped checks of ImageJobs."""
    program = binaries.ensure(binaries.GITOPS_HEALTH) / "gitops-health"
    asked = {"lua": script or lua("ImageJob"), "expressions": flux or expressions(), "objects": objects}
    answer = json.loads(run([str(program)], stdin=json.dumps(asked)))
    names = ("kstatus", "flux", "argocd")
    return [Verdict(*(one[name]["status"] for name in names)) for one in answer]


def expected(phase: Phase, current: bool, deleted: bool) -> Verdict:
    """What people should see, whatever the conditions are: written down for each phase."""
    ends = {
        Phase.SUCCEEDED: Verdict("Current", "Current", "Healthy"),
        Phase.FAILED: Verdict("Failed", "Failed", "Degraded"),
        Phase.CANCELLED: Verdict("Failed", "Failed", "Degraded"),
        Phase.SUSPENDED: Verdict("InProgress", "InProgress", "Suspended"),
    }
    found = ends.get(phase) if current else None
    found = found or Verdict("InProgress", "InProgress", "Progressing")
    return Verdict("Terminating", found.flux, found.argocd) if deleted else found


def table(rows: Iterable[tuple[str, Verdict]]) -> str:
    """The verdicts as a table."""
    lines = [f"{'object':<44}{'kstatus':<14}{'Flux':<14}Argo CD"]
    lines += [f"{name:<44}{found.kstatus:<14}{found.flux:<14}{found.argocd}" for name, found in rows]
    return "\n".join(lines)


def every_phase() -> list[tuple[str, Object, Verdict]]:
    """Each phase, observed or not, deleted or not, with what people should see."""
    found = [("not seen", imagejob(None), Verdict("InProgress", "InProgress", "Progressing"))]
    for phase in Phase:
        for current in (True, False):
            for deleted in (False, True):
                words = [phase.value, *([] if current else ["earlier generation"]), *["deleted"] * deleted]
                made = imagejob(at_phase(phase), 1 if current else 2, deleted)
                found.append((", ".join(words), made, expected(phase, current, deleted)))
    return found
