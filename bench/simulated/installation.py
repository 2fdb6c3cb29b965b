"""A cluster with the shipped operator, and a namespace for ImageJobs whose Pods run on simulated nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from demo import stack
from demo.kubectl import Kubectl
from localcluster.images import TEST_NAMES
from localcluster.paths import layout, repository
from localcluster.providers import cluster as find_cluster
from simulated.actor import PART
from simulated.work import picture

OVERLAY = repository() / "tests" / "e2e" / "stack"
"""The demo with MinIO, the store of all measurements."""


@contextmanager
def stacked(name: str) -> Iterator[Kubectl]:
    """A cluster with the shipped operator on its real node; one that was not up before goes again."""
    where = find_cluster(name)
    was_up = where.status().healthy
    try:
        where.up()
        kubectl = Kubectl(where.binaries() / "kubectl", layout(name).kubeconfig)
        stack.install(kubectl, stack.load_images(where, stack.build_images(TEST_NAMES)), OVERLAY)
        yield kubectl
    finally:
        if not was_up:
            where.down()


def prepare(kubectl: Kubectl, namespace: str, keys: Iterable[str]) -> str:
    """A namespace with sources, and a store that URLs lead to from outside the cluster as well.

    Returns:
        The address of the store.
    """
    stack.prepare_namespace(kubectl, namespace)
    service = kubectl.get("service", stack.STORE, "-n", stack.NAMESPACE)["spec"]
    address = f"{service['clusterIP']}:{service['ports'][0]['port']}"
    settings = (f"IMAGEJOB_STORE_POD_ENDPOINT={address}", f"IMAGEJOB_POD_ALLOWED_ANNOTATIONS={PART}")
    kubectl("set", "env", "-n", stack.NAMESPACE, f"deployment/{stack.OPERATOR}", *settings)
    stack.await_rollout(kubectl, stack.OPERATOR)
    with stack.reach_store(kubectl) as store:
        for key in keys:
            data = picture()
            store.client.put_object(store.bucket, f"{namespace}/{key}", data, data.getbuffer().nbytes)
    return address
