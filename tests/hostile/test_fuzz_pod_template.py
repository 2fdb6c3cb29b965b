"""A user writes any podTemplate: no Pod carries what is not allowed, and each stays restricted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given

from hostile.generators_pod_template import REFUSED, SECURITY, UNCONFINED, Recorder, templates
from imagejob_operator.ports.launcher import Refused
from imagejob_operator.validation import pod_template_policy
from imagejob_operator.validation.pod_template_policy import NOTHING_ALLOWED, PodTemplatePolicy

SOME = PodTemplatePolicy(
    ("team", "billing.example.com/*"), ("billing.example.com/code",), ("robot",), ("batch",), ("sandboxed",)
)
OWN_PREFIXES = (
    "imagejob.dev/",
    "app.kubernetes.io/managed-by",
    "cluster-autoscaler.kubernetes.io/",
    "kubectl.kubernetes.io/default-container",
)
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def carried(made: dict[str, Any], field: str) -> set[str]:
    """The labels or annotations of a Pod that are not the operator's own."""
    return {key for key in made["metadata"][field] if not key.startswith(OWN_PREFIXES)}


def stays_restricted(template: dict[str, Any], policy: PodTemplatePolicy) -> None:
    """No Pod is made, or one that has only what is allowed; what is allowed is not refused."""
    server, some = Recorder(), policy is SOME
    try:
        asyncio.run(server.launch(policy, template))
    except Refused:
        assert server.posted == []
        assert not harmless(template, some)
        return
    (made,) = server.posted
    spec = made["spec"]
    assert harmless(template, some)
    assert carried(made, "labels") == set(template.get("labels", {}))
    assert carried(made, "annotations") == set(template.get("annotations", {}))
    assert SECURITY.items() <= spec.items()
    (container,) = spec["containers"]
    assert container["securityContext"] == RESTRICTED
    assert not {"volumes", "hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()


def harmless(template: dict[str, Any], some: bool) -> bool:
    """Whether a template has only what the settings name, by the documentation."""
    billing = {key for key in template.get("labels", {}) if key.startswith("billing.example.com/")}
    names = {"serviceAccountName": "robot", "priorityClassName": "batch", "runtimeClassName": "sandboxed"}
    return (
        set(template.get("labels", {})) <= ({"team"} | billing if some else set())
        and set(template.get("annotations", {})) <= ({"billing.example.com/code"} if some else set())
        and all(template[field] == name and some for field, name in names.items() if field in template)
    )


@given(templates)
@example({"annotations": UNCONFINED})
@example(REFUSED["priority"])
def test_nothing_is_allowed_by_default(template: dict[str, Any]) -> None:
    """Whatever a user writes, the Pod is the restricted one."""
    stays_restricted(template, NOTHING_ALLOWED)


@given(templates)
@example({"annotations": UNCONFINED})
@example({"labels": {"billing.example.com/": ""}})
def test_only_what_the_administrator_allows(template: dict[str, Any]) -> None:
    """With settings, exactly what they name is carried."""
    stays_restricted(template, SOME)


def test_the_fuzzer_finds_a_template_that_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: one entry with a wildcard allows the keys of every prefix."""

    def careless(name: object, allowed: tuple[str, ...]) -> bool:
        return name in allowed or ("/" in str(name) and any(entry.endswith("/*") for entry in allowed))

    monkeypatch.setattr(pod_template_policy, "_is_allowed", careless)
    with pytest.raises(AssertionError):
        given(templates)(lambda template: stays_restricted(template, SOME))()
