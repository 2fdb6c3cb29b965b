"""A cluster without the operator: one that is there is removed. IMAGEJOB_TEST_CLUSTER names the cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from demo import stack
from demo.kubectl import Kubectl
from demo.stack import Store
from install.ways import HOME, SHOPS, Machine
from localcluster import stores
from localcluster.paths import layout
from localcluster.providers import cluster as find_cluster
from s3_servers.servers import serving

BUCKET = "media"


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    name = os.environ.get("IMAGEJOB_TEST_CLUSTER", "test")
    where = find_cluster(name)
    was_up = where.status().healthy
    folder = tmp_path_factory.mktemp("install")
    try:
        where.up()
        kubectl = Kubectl(where.binaries() / "kubectl", layout(name).kubeconfig)
        stack.load_images(where, stack.build_images())
        remove(kubectl)
        place = stores.Place(folder / "data", *stores.free_ports(1), where.status().host_address)
        with serving("minio", place) as server:
            yield Machine(kubectl, server, BUCKET, folder)
    finally:
        if not was_up:
            where.down()


@pytest.fixture(scope="session")
def store(machine: Machine) -> Iterator[Store]:
    keys = machine.store.access_key, machine.store.secret_key
    with stack.open_store(machine.store.endpoint, BUCKET, *keys) as opened:
        opened.client.make_bucket(BUCKET)
        yield opened


@pytest.fixture(autouse=True)
def _removed_after_a_failure(machine: Machine) -> Iterator[None]:
    yield
    remove(machine.kubectl)


def remove(kubectl: Kubectl) -> None:
    """Take away what a test run has installed: its operator first, so that nothing waits for it."""
    kubectl("delete", "namespace", HOME, "--ignore-not-found", "--timeout=90s")
    names = kubectl("get", "crds,clusterroles,clusterrolebindings,flowschemas", "-o", "name").split()
    ours = [found for found in names if "imagejob" in found]
    if any(name.startswith("customresourcedefinition") for name in ours):
        for job in kubectl.get("imagejobs", "-A")["items"]:
            metadata, patch = job["metadata"], '{"metadata":{"finalizers":null}}'
            where = ("imagejob", metadata["name"], "-n", metadata["namespace"])
            kubectl("patch", *where, "--type=merge", "-p", patch)
    if ours:
        kubectl("delete", *ours, "--timeout=60s")
    kubectl("delete", "namespace", *SHOPS.values(), "--ignore-not-found", "--timeout=60s")
