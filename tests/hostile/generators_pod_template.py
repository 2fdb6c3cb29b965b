"""Pod templates as users write them, to loosen the isolation of processor Pods or to gain rights by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
from hypothesis import strategies as st

from fakes.build import NOW, SPEC, job, later, status
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Spec
from imagejob_operator.validation.pod_template_policy import PodTemplatePolicy

UNCONFINED = {"container.apparmor.security.beta.kubernetes.io/processor": "unconfined"}
REFUSED: dict[str, dict[str, Any]] = {
    "AppArmor": {"annotations": UNCONFINED},
    "seccomp": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}},
    "Vault": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}},
    "Multus": {"annotations": {"k8s.v1.cni.cncf.io/networks": "admin/host-network"}},
    "Istio": {"annotations": {"traffic.sidecar.istio.io/excludeOutboundPorts": "443"}},
    "Azure": {"labels": {"azure.workload.identity/use": "true"}},
    "AAD": {"labels": {"aadpodidbinding": "admin"}},
    "sidecar": {"labels": {"sidecar.istio.io/inject": "true"}},
    "NetworkPolicy": {"labels": {"app": "may-reach-everything"}},
    "account": {"serviceAccountName": "cloud-admin"},
    "priority": {"priorityClassName": "system-node-critical"},
    "priority of a cluster": {"priorityClassName": "very-important"},
    "runtime": {"runtimeClassName": "host"},
}
"""Templates that are refused unless the administrator allows them."""

FREE: dict[str, Any] = {
    "resources": {"limits": {"memory": "4Gi"}},
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "batch", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1}],
    "schedulerName": "batch-scheduler",
    "imagePullSecrets": [{"name": "registry"}],
}
"""Fields that concern placement, resources and pulling: free for all."""

SECURITY = {
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "restartPolicy": "Never",
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
}
"""What the spec of every processor Pod has, whatever its template says."""


class Recorder:
    """An API server that accepts every Pod."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []

    async def request(self, verb: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.posted.append(body)
        added = {"uid": "pod-uid", "creationTimestamp": "2026-01-01T12:00:00Z"}
        return {**body, "metadata": {**body["metadata"], **added}}

    async def launch(self, allowed: PodTemplatePolicy, template: dict[str, Any]) -> None:
        """Launch the first attempt of a job with a template; Refused if it is not allowed."""
        body = {**SPEC, "execution": {"podTemplate": template}}
        of = replace(job(status(Phase.LAUNCHING)), spec=msgspec.convert(body, Spec))
        settings = PodSettings("i", "image:1", allowed=allowed)
        http: Any = self
        await PodLauncher(http, settings, lambda: NOW).launch(of, 0, 1, later(60))


_keys = st.sampled_from(
    [
        *(key for template in REFUSED.values() for value in template.values() for key in value),
        *("team", "billing.example.com/code", "billing.example.com/", "billing.example.com", "TEAM", "team "),
        *(
            "container.apparmor.security.beta.kubernetes.io/x",
            "kubernetes.io/y",
            "*",
            "billing.example.com/*",
        ),
    ]
)
_names = st.sampled_from(
    ["default", "robot", "robot-2", "batch", "system-node-critical", "system-", "sandboxed", "*", ""]
)
_maps = st.dictionaries(_keys, st.sampled_from(["", "true", "unconfined"]), max_size=4)
templates = st.fixed_dictionaries(
    {},
    optional={
        "labels": _maps,
        "annotations": _maps,
        "serviceAccountName": _names,
        "priorityClassName": _names,
        "runtimeClassName": _names,
        **{field: st.just(value) for field, value in FREE.items()},
    },
)
"""Any template; what the CRD would refuse is among them."""
