"""Pod templates as users write them, to loosen the isolation of processor Pods or to gain rights by them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import strategies as st

from fakes.build import job, status
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings, pod_manifest
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Spec

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


def manifest(settings: PodSettings, template: dict[str, Any]) -> dict[str, Any]:
    """The Pod that is made from a template."""
    of = job(status(Phase.LAUNCHING))
    assert isinstance(of.spec, Spec)
    execution = msgspec.structs.replace(of.spec.execution, pod_template=template)
    of = replace(of, spec=msgspec.structs.replace(of.spec, execution=execution))
    return pod_manifest(settings, of, 0, 1, timedelta(minutes=1))


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
