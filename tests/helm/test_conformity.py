"""`make kubeconform` finds what a version of Kubernetes would refuse. `make test` does not run this."""

from __future__ import annotations

from typing import Any

import pytest

from distribution.conformity import WITHOUT_SCHEMA, check, shipped
from distribution.rendering import Object
from distribution.schemas import VERSIONS

pytestmark = pytest.mark.timeout(900)


def wrong(objects: list[Object]) -> tuple[str, ...]:
    return check(objects, VERSIONS[0]).wrong


def test_every_shipped_object_is_checked() -> None:
    objects = [one for one in shipped() if one["kind"] not in WITHOUT_SCHEMA]
    assert len(objects) > 25
    assert check(objects, VERSIONS[-1]).valid == len(objects)


PLANTED: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown field": ("Service", {"spec": {"ports": [{"port": 80}], "selectors": {}}}),
    "a wrong type": ("NetworkPolicy", {"spec": {"podSelector": {}, "policyTypes": "Ingress"}}),
    "a missing field": ("ClusterRoleBinding", {"roleRef": {"kind": "ClusterRole", "name": "a"}}),
    "an unknown version": ("FlowSchema", {"apiVersion": "flowcontrol.apiserver.k8s.io/v1alpha1"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_mistake_is_found(name: str) -> None:
    kind, change = PLANTED[name]
    planted = next(one for one in shipped() if one["kind"] == kind)
    assert wrong([planted]) == ()
    (found,) = wrong([{**planted, **change}])
    assert found.startswith(f"{kind} imagejob-")
