"""Each way to install: a job runs, and uninstalling with jobs in flight leaves nothing behind."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from demo import photos
from demo.stack import Store, prepare_namespace
from install.ways import (
    HOME,
    INSTALLATION,
    SHOPS,
    WAYS,
    Machine,
    Way,
    command_line_uninstall,
    helm_install,
    helm_install_another,
    helm_uninstall,
)
from localcluster.errors import ClusterError

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

STAGING = ".imagejob-staging/"
THUMB = {
    "name": "thumb",
    "steps": [{"resize": {"width": 64, "height": 64, "fit": "Cover"}}],
    "output": {"format": "JPEG"},
}
SMALL = {"podTemplate": {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}}
"""Beside two replicas of the operator, which request half a CPU each, on a node of two."""
NOWHERE = {"podTemplate": {"nodeSelector": {"example.com/no-such-node": ""}}}
IN_FLIGHT = ("suspended", "waits-for-a-node")
"""Jobs whose runs do not end: both have staged objects first, then one is suspended."""
LEFT = (
    "leases.coordination.k8s.io,roles,rolebindings,serviceaccounts,deployments,services,"
    "networkpolicies,poddisruptionbudgets,jobs,pods,configmaps,secrets"
)
EVERY_NAMESPACE_HAS = {"configmap/kube-root-ca.crt", "serviceaccount/default"}


def until(what: str, holds: Callable[[], bool], seconds: float, tell: Callable[[], object]) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s: {tell()}"
        time.sleep(0.2)


class Shop:
    """A namespace with a photo."""

    def __init__(self, machine: Machine, store: Store, name: str) -> None:
        self.kubectl, self.store, self.name = machine.kubectl, store, name
        prepare_namespace(self.kubectl, name)
        photo = photos.photo("china.jpg")
        store.client.put_object(store.bucket, f"{name}/a.jpg", io.BytesIO(photo), len(photo))

    def apply(self, name: str, **spec: Any) -> None:
        wanted = {"source": {"keys": ["a.jpg"]}, "renditions": [THUMB], "destination": {"prefix": f"{name}/"}}
        metadata = {"name": name, "namespace": self.name}
        body = {"apiVersion": "imagejob.dev/v1alpha1", "kind": "ImageJob", "metadata": metadata}
        self.kubectl.apply({**body, "spec": {**wanted, **spec}})

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The ImageJobs by name; none without the CRD."""
        if not self.kubectl("get", "crd", "imagejobs.imagejob.dev", "--ignore-not-found", "-o", "name"):
            return {}
        items = self.kubectl.get("imagejobs", "-n", self.name)["items"]
        return {job["metadata"]["name"]: job for job in items}

    def phases(self) -> dict[str, str]:
        return {name: job.get("status", {}).get("phase", "") for name, job in self.jobs().items()}

    def objects(self) -> list[str]:
        """Pods and Secrets."""
        return self.kubectl("get", "pods,secrets", "-n", self.name, "-o", "name").split()


def start_jobs(shop: Shop, store: Store) -> None:
    """A job that succeeds, then others whose runs do not end."""
    shop.apply("done", execution=SMALL)
    until("the job succeeds", lambda: shop.phases() == {"done": "Succeeded"}, 60, shop.jobs)
    assert store.keys(f"{shop.name}/done/")
    for name in IN_FLIGHT:
        shop.apply(name, execution=NOWHERE)
    until("two Pods wait, with their Secrets", lambda: len(shop.objects()) == 4, 60, shop.objects)
    shop.apply("suspended", execution=NOWHERE, suspend=True)
    expected = {"done": "Succeeded", "waits-for-a-node": "Launching", "suspended": "Suspended"}
    until("the jobs are in flight", lambda: shop.phases() == expected, 60, shop.phases)
    assert store.keys(STAGING)
    guarded = [name for name, job in shop.jobs().items() if job["metadata"].get("finalizers")]
    assert sorted(guarded) == list(IN_FLIGHT)


def leftovers(shop: Shop, store: Store, way: Way) -> list[str]:
    """What the uninstall must not leave, of everything that was there before."""
    kubectl = shop.kubectl
    jobs = shop.jobs()
    found = [f"finalizer of {name}" for name, job in jobs.items() if job["metadata"].get("finalizers")]
    found += [f"imagejob {name}" for name in jobs if not (way.keeps_crds and name == "done")]
    found += [*shop.objects(), *(f"staging {key}" for key in store.keys(STAGING))]
    kinds = "clusterroles,clusterrolebindings,flowschemas" + ("" if way.keeps_crds else ",crds")
    found += [name for name in kubectl("get", kinds, "-o", "name").split() if "imagejob" in name]
    at_home = kubectl("get", LEFT, "-n", HOME, "-o", "name").split()
    by_hand = {"secret/imagejob-store"} if way.keeps_crds else set()
    return found + [f"{HOME}: {name}" for name in at_home if name not in EVERY_NAMESPACE_HAS | by_hand]


@pytest.mark.parametrize("name", WAYS)
def test_uninstalling_with_jobs_in_flight_leaves_nothing(name: str, machine: Machine, store: Store) -> None:
    way = WAYS[name]
    way.install(machine)
    shop = Shop(machine, store, SHOPS[name])
    start_jobs(shop, store)
    assert f"imagejob-{INSTALLATION}" in machine.kubectl("get", "leases", "-n", HOME, "-o", "name")
    assert len(leftovers(shop, store, way)) > len(IN_FLIGHT), "the check of leftovers is blind"

    way.uninstall(machine)

    # Secrets go with their Pods, by garbage collection.
    until("nothing is left", lambda: not leftovers(shop, store, way), 30, lambda: leftovers(shop, store, way))
    assert set(shop.jobs()) == ({"done"} if way.keeps_crds else set())
    assert store.keys(f"{shop.name}/done/"), "outputs are never deleted"
    started = time.monotonic()
    machine.kubectl("delete", "namespace", shop.name, HOME, "--ignore-not-found", "--timeout=60s", timeout=90)
    assert time.monotonic() - started < 60


def test_a_release_beside_another_one(machine: Machine) -> None:
    """Two operators with the same ImageJobs delete each other's Pods, and uninstall each other's jobs."""
    helm_install(machine)
    for same in ("IMAGEJOB_INSTALLATION=second", "IMAGEJOB_WATCH_NAMESPACES=default"):
        with pytest.raises(ClusterError, match="handles the same ImageJobs, those of class"):
            helm_install_another(machine, "second", "--set", f"settings.{same}")
    helm_install_another(machine, "second", "--set", "settings.IMAGEJOB_CLASS=second", "--dry-run=server")

    command_line_uninstall(machine)
    helm_uninstall(machine)  # Its hook finds no CRDs.
    assert "imagejob" not in machine.helm("list", "-n", HOME, "-q")
