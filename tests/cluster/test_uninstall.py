"""`imagejob uninstall` on a real API server: what it finds exists, and what it deletes is gone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.conftest import CRDS, GROUP, PLURAL, Cluster
from cluster.crd_cases import KEYS, changed
from imagejob import Client, Conflict
from imagejob_cli.uninstalling import delete_jobs, delete_objects, make_plan
from imagejob_operator.naming.names import FINALIZER

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


@pytest.fixture
def crds(cluster: Cluster) -> Iterator[None]:
    """The CRDs, which are there again for the tests that follow."""
    yield
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(CRDS))
    cluster.await_established(*(f"crd/{plural}.{GROUP}" for plural in (PLURAL, "imagestores")))


def test_jobs_with_finalizers_and_crds_are_deleted(cluster: Cluster, namespace: str, crds: None) -> None:
    """The operator does not run here, so its finalizers are removed only if asked."""
    client = Client.connect(kubeconfig_file=cluster.kubeconfig, namespace=namespace)
    made: Any = cluster.create(namespace, changed(KEYS, ("metadata.finalizers", [FINALIZER])))
    plan = make_plan(client, "imagejob-system")
    assert not plan.ready
    assert made["metadata"]["name"] in {job.name for job in plan.jobs if job.namespace == namespace}
    assert {one.path.rpartition("/")[2] for one in plan.crds} == {
        f"{p}.{GROUP}" for p in (PLURAL, "imagestores")
    }
    with pytest.raises(Conflict, match=f"would keep the finalizer {FINALIZER}"):
        delete_jobs(client, plan, 60, force=False)
    delete_jobs(client, plan, 60, force=True)
    delete_objects(client, plan.crds, 60)
    assert make_plan(client, "imagejob-system").crds == []
