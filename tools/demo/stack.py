"""The operator and its store from the shipped manifests, and a connection to the store.

Endpoint, bucket and keys are read from the ConfigMap and the Secret of the overlay.
"""

from __future__ import annotations

import base64
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException, S3Error

from demo.errors import DemoError
from demo.kubectl import Kubectl
from localcluster import images
from localcluster.cluster import Cluster
from localcluster.commands import run_logged
from localcluster.errors import ClusterError
from localcluster.paths import cache_root, repository
from localcluster.progress import say, step
from localcluster.waiting import wait_for

NAMESPACE = "imagejob-system"
OPERATOR = "imagejob-operator"
STORE = "store"
OVERLAY = repository() / "manifests" / "overlays" / "demo"
DEPLOYMENTS = {"operator": OPERATOR, "processor": "", images.STORE: STORE, images.TEST_STORE: STORE}
"""The Deployment of each image."""

TENANT_LABELS = {"imagejob.dev/store": "default", "pod-security.kubernetes.io/enforce": "restricted"}
"""A namespace that may use the operator's store, and whose Pods are restricted."""

ROLLOUT_SECONDS = 180


@dataclass(frozen=True)
class Store:
    """A client of the bucket that the operator uses."""

    client: Minio
    bucket: str

    def keys(self, prefix: str) -> list[str]:
        """All keys below a prefix."""
        listing = self.client.list_objects(self.bucket, prefix=prefix, recursive=True)
        return [found.object_name or "" for found in listing]


def build_images(names: Sequence[str] = images.NAMES) -> dict[str, images.BuiltImage]:
    """Build the images that changed; returns all by their names."""
    return dict(zip(names, images.build_all(names), strict=True))


def load_images(cluster: Cluster, built_images: Mapping[str, images.BuiltImage]) -> list[str]:
    """Load images into the node; returns the names of those that are new to it."""
    fresh: list[str] = []
    for name, built in built_images.items():
        with step(f"loading image {built.tag} into the node"):
            if cluster.load(built.archive, built.tag):
                fresh.append(name)
    return fresh


def install(kubectl: Kubectl, fresh_images: list[str], overlay: Path = OVERLAY) -> None:
    """Apply an overlay, wait for its Deployments, create the bucket.

    Args:
        kubectl: Of the cluster.
        fresh_images: Images with new content under the same name; their Deployments are restarted.
        overlay: The demo's, or one that is made from it.

    Raises:
        DemoError, ClusterError: A Deployment does not start; the message has diagnostics.
    """
    with step(f"kubectl apply -k {overlay.relative_to(repository())}"):
        before = kubectl("get", "deployments", "-n", NAMESPACE, "-o", "name")
        kubectl("apply", "--server-side", "--force-conflicts", "-k", str(overlay))
        for deployment in filter(None, (DEPLOYMENTS[name] for name in fresh_images)):
            if f"deployment.apps/{deployment}" in before.split():
                kubectl("rollout", "restart", "-n", NAMESPACE, f"deployment/{deployment}")
    for deployment in (STORE, OPERATOR):
        with step(f"waiting for deployment/{deployment}"):
            await_rollout(kubectl, deployment)
    with reach_store(kubectl) as store:
        make_bucket(store)


def make_bucket(store: Store) -> None:
    """Create the bucket if it does not exist."""
    if store.client.bucket_exists(store.bucket):
        return
    try:
        store.client.make_bucket(store.bucket)
    except S3Error as error:
        # The client repeats a request whose answer was lost.
        if error.code != "BucketAlreadyOwnedByYou":
            raise
    say(f"bucket {store.bucket} created")


def await_rollout(kubectl: Kubectl, deployment: str) -> None:
    """Wait until all replicas are updated and ready.

    Raises:
        DemoError: They are not; the message has the Pods and the end of their log.
    """
    words = ("rollout", "status", "-n", NAMESPACE, f"deployment/{deployment}")
    try:
        kubectl(*words, f"--timeout={ROLLOUT_SECONDS}s", timeout=ROLLOUT_SECONDS + 30)
    except ClusterError as error:
        raise DemoError(f"deployment/{deployment} does not start: {error}\n{diagnostics(kubectl)}") from None


def diagnostics(kubectl: Kubectl, deployment: str = OPERATOR, lines: int = 20) -> str:
    """Return the Pods and the end of a Deployment's log, with the commands that show them."""
    commands = [
        ("get", "pods", "-n", NAMESPACE, "-o", "wide"),
        ("logs", "-n", NAMESPACE, f"deployment/{deployment}", "--all-containers", f"--tail={lines}"),
    ]
    lines_of_text: list[str] = []
    for command in commands:
        lines_of_text.append(f"$ {kubectl.as_typed(*command)}")
        try:
            lines_of_text.append(kubectl(*command).rstrip())
        except ClusterError as error:
            lines_of_text.append(str(error))
    return "\n".join(lines_of_text)


def prepare_namespace(kubectl: Kubectl, name: str) -> None:
    """Create a namespace that may use the store, restricted, with the shipped NetworkPolicy."""
    metadata = {"name": name, "labels": TENANT_LABELS}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    kubectl("apply", "-n", name, "-k", str(repository() / "manifests" / "tenant"))


def store_keys(kubectl: Kubectl) -> tuple[str, str]:
    """Return the access key and the secret key of the operator's store."""
    secret = kubectl.get("secret", "imagejob-store", "-n", NAMESPACE)["data"]
    access, hidden = (base64.b64decode(secret[name]).decode() for name in ("access-key", "secret-key"))
    return access, hidden


@contextmanager
def reach_store(kubectl: Kubectl) -> Iterator[Store]:
    """Connect to the store by its Service address, or by port-forward if this machine cannot reach it.

    Raises:
        DemoError: The store does not respond.
    """
    settings = kubectl.get("configmap", OPERATOR, "-n", NAMESPACE)["data"]
    access, hidden = store_keys(kubectl)
    service = kubectl.get("service", STORE, "-n", NAMESPACE)["spec"]
    address, port = service["clusterIP"], service["ports"][0]["port"]
    with _endpoint(kubectl, address, port) as endpoint:
        try:
            with open_store(endpoint, settings["IMAGEJOB_STORE_BUCKET"], access, hidden) as store:
                yield store
        except (MinioException, urllib3.exceptions.HTTPError) as error:
            raise DemoError(
                f"request to the store at {endpoint} failed: {error}\n{diagnostics(kubectl, STORE)}"
            ) from error


@contextmanager
def open_store(endpoint: str, bucket: str, access_key: str, secret_key: str) -> Iterator[Store]:
    """A client of one bucket, without TLS."""
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=3, read=20), retries=urllib3.Retry(total=5, backoff_factor=0.3)
    )
    client = Minio(endpoint, access_key, secret_key, secure=False, region="us-east-1", http_client=pool)
    try:
        yield Store(client, bucket)
    finally:
        pool.clear()


@contextmanager
def _endpoint(kubectl: Kubectl, address: str, port: int) -> Iterator[str]:
    if _is_reachable(address, port):
        yield f"{address}:{port}"
        return
    log = cache_root() / "logs" / "port-forward.log"
    words = ["port-forward", "-n", NAMESPACE, f"service/{STORE}", f":{port}"]
    process = run_logged([str(kubectl.program), "--kubeconfig", str(kubectl.kubeconfig), *words], log)
    try:
        wait_for("kubectl port-forward", lambda: _not_forwarded(process, log), 30, log)
        yield f"127.0.0.1:{_forwarded_port(log)}"
    finally:
        process.terminate()
        process.wait()


def _is_reachable(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=2).close()
    except OSError:
        return False
    return True


def _not_forwarded(process: subprocess.Popen[bytes], log: Path) -> str | None:
    if process.poll() is not None:
        raise DemoError(f"kubectl port-forward exited: {log.read_text().strip()} (log: {log})")
    return None if _forwarded_port(log) else "no port yet"


def _forwarded_port(log: Path) -> str:
    for line in log.read_text().splitlines():
        if line.startswith("Forwarding from 127.0.0.1:"):
            return line.removeprefix("Forwarding from 127.0.0.1:").split()[0]
    return ""
