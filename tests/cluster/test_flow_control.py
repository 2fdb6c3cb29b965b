"""The shipped FlowSchemas: which of them the API server applies to the requests of the operator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client

from cluster.conftest import GROUP, PLURAL, ROOT, VERSION

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

OPERATOR = "system:serviceaccount:imagejob-system:imagejob-operator"
OTHER = "system:serviceaccount:imagejob-system:other"
MISSING = "no-such-object"
"""So that a request fails, whether the user may make it or not: only errors have their headers."""
SECONDS = 30.0
Request = Callable[[client.ApiClient], object]


def get_job(api: client.ApiClient) -> object:
    objects = client.CustomObjectsApi(api)
    return objects.get_namespaced_custom_object(GROUP, VERSION, "default", PLURAL, MISSING)


def get_lease(namespace: str) -> Request:
    return lambda api: client.CoordinationV1Api(api).read_namespaced_lease(MISSING, namespace)


@pytest.fixture(scope="module")
def schemas(cluster: Any) -> Iterator[dict[str, str]]:
    """The names of all FlowSchemas, by uid."""
    manifest = str(ROOT / "manifests" / "flow-control" / "flow-schemas.yaml")
    applied = cluster.kubectl("apply", "-f", manifest)
    assert applied.returncode == 0, applied.stderr
    listed = client.FlowcontrolApiserverV1Api(cluster.api).list_flow_schema().items
    yield {schema.metadata.uid: schema.metadata.name for schema in listed}
    cluster.kubectl("delete", "-f", manifest)


def schema_of(cluster: Any, schemas: dict[str, str], user: str, request: Request) -> str:
    """The FlowSchema of a request; whether the user may make it does not matter."""
    api = client.ApiClient(cluster.api.configuration)
    api.set_default_header("Impersonate-User", user)
    with pytest.raises(client.ApiException) as refused:
        request(api)
    return schemas[refused.value.headers["X-Kubernetes-PF-FlowSchema-UID"]]


@pytest.mark.parametrize(
    ("user", "request_", "wanted"),
    [
        (OPERATOR, get_job, "imagejob-operator"),
        (OPERATOR, get_lease("imagejob-system"), "imagejob-leader-election"),
        (OPERATOR, get_lease("default"), "imagejob-operator"),
        (OTHER, get_job, "service-accounts"),
        (OTHER, get_lease("imagejob-system"), "service-accounts"),
    ],
)
def test_a_request_has_its_schema(
    cluster: Any, schemas: dict[str, str], user: str, request_: Request, wanted: str
) -> None:
    # The API server reads new FlowSchemas some time after they were created.
    until = time.monotonic() + SECONDS
    while (found := schema_of(cluster, schemas, user, request_)) != wanted:
        assert time.monotonic() < until, found
