"""The environment of the end-to-end tests: the stack, one namespace for each test, and faults."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, watch
from kubernetes.dynamic import DynamicClient
from minio.commonconfig import CopySource
from minio.error import MinioException
from urllib3.exceptions import HTTPError

from demo import photos, stack
from demo.kubectl import Kubectl
from demo.stack import NAMESPACE, OPERATOR, Store
from e2e.audit import Audit
from e2e.secrecy import revealed
from imagejob_operator.naming.prefixes import own_staging_prefix, staging_folder
from localcluster.commands import run
from localcluster.errors import ClusterError
from localcluster.paths import repository

GROUP, VERSION, PLURAL = "imagejob.dev", "v1alpha1", "imagejobs"
STORES = "imagestores"
STAGING = ".imagejob-staging/"
LEASE = "imagejob-demo"
OUTAGE = """
add table inet outage
add chain inet outage input { type filter hook input priority 0; }
add rule inet outage input tcp dport 9000 reject with tcp reset
"""
CHANGED_SETTINGS = (
    "IMAGEJOB_PROCESSOR_IMAGE",
    "IMAGEJOB_STORE_BUCKET",
    "IMAGEJOB_STORE_ENDPOINT",
    "IMAGEJOB_ALLOWED_ENDPOINTS",
    "IMAGEJOB_START_GRACE_SECONDS",
    "IMAGEJOB_CLEANING_BUDGET_SECONDS",
    "IMAGEJOB_EVENT_SINK",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_HEADERS",
)
"""What tests set and take back."""

STEPS = {"Staged", "Launched", "Suspended", "Resumed", "Retrying", "StoreUnavailable"}
"""Reasons of Events that are recorded while a run is going on."""

Job = dict[str, Any]


def until(what: str, probe: Callable[[], object], seconds: float, tell: Callable[[], str] = str) -> None:
    """Call until the result is truthy; a failure reports the condition and the last state."""
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds:.0f} s. {tell()}")
        time.sleep(0.2)


# --- jobs ------------------------------------------------------------------------------------------------

SMALL = {"podTemplate": {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}}
"""An execution whose Pods fit on a node beside many others."""
ROOMY = {"resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "2Gi"}}}
"""A template of Pods for large photos, which run at once also on a node with little left to request."""
NEVER_STARTS = {
    "containers": [
        {
            "name": "processor",
            "image": "none",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
    ],
    "nodeSelector": {"none": "none"},
}
"""The spec of a Pod that a restricted namespace admits."""
LARGE = {
    "name": "large",
    "steps": [{"resize": {"width": 2000, "height": 2000, "fit": "Inside"}}],
    "output": {"format": "WebP"},
}
"""Of a photo of 12 megapixels: about a second of work."""

THUMB = {
    "name": "thumb",
    "steps": [{"resize": {"width": 64, "height": 64, "fit": "Cover"}}],
    "output": {"format": "JPEG"},
}


def image_job(source: Mapping[str, Any], name: str = "job", **spec: Any) -> Job:
    """An ImageJob with one small rendition below out/, unless the spec says otherwise."""
    wanted = {"source": dict(source), "renditions": [THUMB], "destination": {"prefix": "out/"}, **spec}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ImageJob",
        "metadata": {"name": name},
        "spec": wanted,
    }


def condition(job: Job, kind: str) -> str:
    found: Iterable[dict[str, str]] = job.get("status", {}).get("conditions", [])
    return next((c["status"] for c in found if c["type"] == kind), "")


def reason(job: Job) -> str:
    """The reason of the condition Ready, which `kubectl get` shows."""
    found: Iterable[dict[str, str]] = job.get("status", {}).get("conditions", [])
    return next((c["reason"] for c in found if c["type"] == "Ready"), "")


def ended(job: Job) -> bool:
    seen = job.get("status", {}).get("observedGeneration") == job["metadata"]["generation"]
    return seen and condition(job, "Finished") == "True"


def phase(job: Job) -> str:
    return str(job.get("status", {}).get("phase", ""))


def verdict(job: Job) -> tuple[str, str, str]:
    """Phase, code and reason; the reason of a success is its outcome, unless that is Succeeded."""
    status = job.get("status", {})
    error = status.get("error", {})
    outcome = status.get("run", {}).get("outcome", "")
    return phase(job), error.get("code", ""), error.get("reason", outcome)


# --- processes and faults --------------------------------------------------------------------------------


def process_of(pod: client.V1Pod, word: str) -> int:
    """The process on this machine whose command line contains the word."""
    ids = (pod.metadata.uid, pod.metadata.uid.replace("-", "_"))
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            cgroup = (folder / "cgroup").read_text()
            if any(uid in cgroup for uid in ids) and word.encode() in (folder / "cmdline").read_bytes():
                return int(folder.name)
    raise AssertionError(f"no process {word} of pod {pod.metadata.name} on this machine")


class World:
    """The stack on one cluster."""

    def __init__(
        self,
        kubectl: Kubectl,
        api: client.ApiClient,
        store: Store,
        audit_log: str,
        pictures: str = "",
        store_endpoint: str = "",
    ) -> None:
        self.kubectl = kubectl
        self.api = api
        self.core = client.CoreV1Api(api)
        self.objects = client.CustomObjectsApi(api)
        self.store = store
        self.pictures = pictures
        """`host:port` of a web server that the operator may fetch from."""
        self.store_endpoint = store_endpoint
        """`host:port` of the store; empty if it is the shipped one."""
        self._settings = {"IMAGEJOB_SOURCE_ALLOWED_NETWORKS": f"{pictures.rpartition(':')[0]}/32"}
        if store_endpoint:
            self._settings["IMAGEJOB_STORE_ENDPOINT"] = store_endpoint
            self._settings["IMAGEJOB_ALLOWED_ENDPOINTS"] = f"http://{store_endpoint}"
        self._audit_log = audit_log
        self.hidden = {stack.store_keys(kubectl)[1]}
        """Secret keys of stores, which must not be shown anywhere."""

    @cached_property
    def _dynamic(self) -> DynamicClient:
        return DynamicClient(self.api)

    @cached_property
    def _tenant_objects(self) -> list[Job]:
        """What the docs tell an administrator to apply in the namespace of a tenant."""
        return list(yaml.safe_load_all(self.kubectl("kustomize", str(repository() / "manifests" / "tenant"))))

    def apply(self, body: Mapping[str, Any], namespace: str = "") -> None:
        """Server-side apply, without a kubectl process that discovers the API each time.

        Raises:
            client.ApiException: It is refused; an unknown field is as well.
        """
        resource = self._dynamic.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        resource.server_side_apply(
            dict(body),
            namespace=namespace or None,
            field_manager="kubectl",
            force_conflicts=True,
            query_params=[("fieldValidation", "Strict")],
        )

    def create_namespace(self, name: str) -> None:
        """Create a namespace that may use the store, as `demo.stack.prepare_namespace` does."""
        metadata = {"name": name, "labels": stack.TENANT_LABELS}
        self.core.create_namespace({"metadata": metadata})
        for body in self._tenant_objects:
            self.apply(body, name)

    @property
    def audit(self) -> Audit:
        assert self._audit_log, "this cluster keeps no audit log: use a local one of the native provider"
        return Audit(Path(self._audit_log))

    @cached_property
    def cluster_uid(self) -> str:
        """The uid of this cluster."""
        uid: str = self.core.read_namespace("kube-system").metadata.uid
        return uid

    def own_staging(self, installation: str = "demo") -> str:
        """The prefix of all staging of an installation on this cluster, with the final '/'."""
        return own_staging_prefix(staging_folder(installation, self.cluster_uid))

    def pod_of(self, deployment: str) -> client.V1Pod:
        """The only Pod of a Deployment."""
        selector = f"app.kubernetes.io/name={deployment}"
        pods = self.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items
        staying = [pod for pod in pods if not pod.metadata.deletion_timestamp]
        assert len(staying) == 1, stack.diagnostics(self.kubectl, deployment)
        return staying[0]

    def await_operator(self) -> None:
        stack.await_rollout(self.kubectl, OPERATOR)

    def reset_operator(self) -> None:
        """Apply the shipped settings, except for the tests' web server and their store."""
        settings = [self._usual(name) for name in {**dict.fromkeys(CHANGED_SETTINGS), **self._settings}]
        self.kubectl("set", "env", "-n", NAMESPACE, f"deployment/{OPERATOR}", *settings)
        self.await_operator()

    def _usual(self, name: str) -> str:
        """The argument of `kubectl set env` that takes back a change of a setting."""
        return f"{name}={self._settings[name]}" if name in self._settings else f"{name}-"

    @contextmanager
    def operator_environment(self, **variables: str) -> Iterator[None]:
        """Run the operator with other settings during the block."""
        where = ("set", "env", "-n", NAMESPACE, f"deployment/{OPERATOR}")
        self.kubectl(*where, *(f"{name}={value}" for name, value in variables.items()))
        try:
            self.await_operator()
            yield
        finally:
            self.kubectl(*where, *(self._usual(name) for name in variables))
            self.await_operator()

    @contextmanager
    def store_outage(self) -> Iterator[None]:
        """Stop the store during the block; its data is kept."""
        self._in_store_network("nft", OUTAGE)
        try:
            until("the store refuses", lambda: not self._store_accepts(), 10)
            yield
        finally:
            self.end_outage()

    def end_outage(self) -> None:
        """Start the store again, if it is stopped."""
        if "outage" in self._in_store_network("nft", "list tables"):
            self._in_store_network("nft", "delete table inet outage")
        self.await_store()

    def await_store(self) -> None:
        """Wait until the store responds."""
        until("the store answers again", self._store_serves, 60)

    def _in_store_network(self, program: str, words: str) -> str:
        process = process_of(self.pod_of(stack.STORE), "minio")
        return run(["nsenter", f"--target={process}", "--net", program, words])

    def store_address(self) -> tuple[str, int]:
        """Host and port of the store, as they are reached from this machine and from Pods."""
        if self.store_endpoint:
            host, _, port = self.store_endpoint.partition(":")
            return host, int(port)
        service = self.core.read_namespaced_service(stack.STORE, NAMESPACE).spec
        return service.cluster_ip, service.ports[0].port

    def _store_accepts(self) -> bool:
        try:
            socket.create_connection(self.store_address(), timeout=2).close()
        except OSError:
            return False
        return True

    def _store_serves(self) -> bool:
        try:
            return self._store_accepts() and self.store.client.bucket_exists(self.store.bucket)
        except (MinioException, HTTPError, OSError):
            return False


class OperatorProcess:
    """The operator's process, looked up in advance so that the kill is immediate."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.find()

    def find(self) -> None:
        """Wait until it runs, which it does not for a moment after it has ended itself."""

        def look() -> bool:
            with contextlib.suppress(AssertionError):
                self._pod = self._world.pod_of(OPERATOR)
                self._process = process_of(self._pod, "imagejob_operator")
                return True
            return False

        until("the operator runs", look, 60)

    def kill(self) -> None:
        """SIGKILL."""
        try:
            os.kill(self._process, signal.SIGKILL)
        except ProcessLookupError:
            self.find()
            os.kill(self._process, signal.SIGKILL)

    def replace(self) -> None:
        """A new Pod instead of the killed one: its container would wait longer after every kill.

        This returns when its process runs, before it is ready, so that the first that it does can be met. It
        need not wait for the Lease either, whose holder is dead for certain; test_failover.py has how long
        others wait.
        """
        client.CoordinationV1Api(self._world.api).delete_namespaced_lease(LEASE, NAMESPACE)
        self._world.core.delete_namespaced_pod(self._pod.metadata.name, NAMESPACE, grace_period_seconds=0)
        self.find()


# --- one test's namespace --------------------------------------------------------------------------------


class Shop:
    """A namespace with its prefix in the store."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.buckets: list[str] = []
        """Buckets of its own, beside its part of the operator's."""
        self.own_secrets: set[str] = set()
        """Secrets that it brings itself."""
        world.create_namespace(name)

    # sources and outputs

    def upload(self, key: str, data: bytes) -> None:
        store = self.world.store
        store.client.put_object(store.bucket, f"{self.name}/{key}", io.BytesIO(data), len(data))

    def remove(self, key: str) -> None:
        self.world.store.client.remove_object(self.world.store.bucket, f"{self.name}/{key}")

    def upload_photos(self, *names: str, prefix: str = "photos/") -> list[str]:
        """Upload photos; returns their keys."""
        for name in names:
            self.upload(f"{prefix}{name}", photos.photo(name))
        return [f"{prefix}{name}" for name in names]

    def upload_copies(self, data: bytes, count: int, prefix: str = "photos/") -> list[str]:
        """Upload the same bytes under many keys."""
        store = self.world.store
        keys = [f"{prefix}{number:03d}.jpg" for number in range(count)]
        self.upload(keys[0], data)
        source = CopySource(store.bucket, f"{self.name}/{keys[0]}")
        for key in keys[1:]:
            store.client.copy_object(store.bucket, f"{self.name}/{key}", source)
        return keys

    def outputs(self, prefix: str = "out/") -> list[str]:
        found = [k.removeprefix(f"{self.name}/") for k in self.world.store.keys(f"{self.name}/{prefix}")]
        return sorted([*found, *(key for key in self._own_keys() if key.startswith(prefix))])

    def _own_keys(self) -> list[str]:
        client = self.world.store.client
        listings = (client.list_objects(bucket, recursive=True) for bucket in self.buckets)
        return [found.object_name or "" for listing in listings for found in listing]

    def read(self, key: str) -> bytes:
        store = self.world.store
        response = store.client.get_object(store.bucket, key)
        try:
            data: bytes = response.read()
        finally:
            response.close()
            response.release_conn()
        return data

    def report(self, job: Job) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(self.read(job["status"]["report"]))
        return report

    # jobs

    def apply(self, job: Job) -> str:
        """Apply a job; returns its name."""
        self.world.apply(job, self.name)
        name: str = job["metadata"]["name"]
        return name

    def get(self, name: str) -> Job:
        job: Job = self.world.objects.get_namespaced_custom_object(GROUP, VERSION, self.name, PLURAL, name)
        return job

    def await_job(self, name: str, holds: Callable[[Job], bool], what: str, seconds: float = 60) -> Job:
        """Wait until a condition of a job holds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            stream = watch.Watch().stream(
                self.world.objects.list_namespaced_custom_object,
                *(GROUP, VERSION, self.name, PLURAL),
                field_selector=f"metadata.name={name}",
                timeout_seconds=max(1, int(left)),
            )
            with closing(stream):
                for event in stream:
                    if event["type"] != "DELETED" and holds(event["object"]):
                        found: Job = event["object"]
                        return found
        raise AssertionError(f"imagejob/{name}: {what}: not within {seconds:.0f} s")

    def await_phase(self, name: str, wanted: str, seconds: float = 60) -> Job:
        """Wait until a job is in a phase; it must not end before."""

        def met(job: Job) -> bool:
            assert not ended(job), f"imagejob/{name} has ended as {verdict(job)} and was not seen {wanted}"
            return phase(job) == wanted

        return self.await_job(name, met, f"phase {wanted}", seconds)

    def await_end(self, name: str, seconds: float = 60) -> Job:
        return self.await_job(name, ended, "condition Finished", seconds)

    def delete(self, name: str, seconds: float = 60) -> None:
        """Delete a job and wait until it no longer exists."""
        self.start_deletion(name)
        self.await_gone(name, seconds)

    def start_deletion(self, name: str) -> None:
        """Delete a job; its finalizer keeps it until the operator has cleaned up."""
        self.world.objects.delete_namespaced_custom_object(GROUP, VERSION, self.name, PLURAL, name)

    def delete_store(self, name: str) -> None:
        """Delete an ImageStore; nothing keeps it."""
        self.world.objects.delete_namespaced_custom_object(GROUP, VERSION, self.name, STORES, name)

    def await_gone(self, name: str, seconds: float) -> None:
        """Wait until a job no longer exists."""

        def gone() -> bool:
            try:
                self.get(name)
            except client.ApiException as error:
                return error.status == 404
            return False

        until(f"imagejob/{name} is gone", gone, seconds)

    # what is left

    def staging(self) -> list[str]:
        keys = [*self.world.store.keys(STAGING), *(k for k in self._own_keys() if k.startswith(STAGING))]
        return [key for key in keys if f"/{self.name}/" in key]

    def pods(self) -> list[str]:
        return [p.metadata.name for p in self.world.core.list_namespaced_pod(self.name).items]

    def secrets(self) -> list[str]:
        found = [s.metadata.name for s in self.world.core.list_namespaced_secret(self.name).items]
        return [name for name in found if name not in self.own_secrets]

    def leaks(self) -> list[str]:
        """Everything that a finished or deleted job must not leave."""
        return [
            *(f"staging object {key}" for key in self.staging()),
            *(f"pod {name}" for name in self.pods()),
            *(f"secret {name}" for name in self.secrets()),
        ]

    def await_clean(self, seconds: float = 30) -> None:
        """Wait until nothing is left: Secrets go with their Pods, by garbage collection."""
        until("nothing is left behind", lambda: not self.leaks(), seconds, lambda: f"left: {self.leaks()}")

    def set_quota(self, **hard: str) -> None:
        """Create a ResourceQuota `none` in the namespace, and wait until it is enforced."""
        body = {"metadata": {"name": "none"}, "spec": {"hard": hard}}
        self.world.core.create_namespaced_resource_quota(self.name, body)
        read = self.world.core.read_namespaced_resource_quota
        until("the quota is in force", lambda: read("none", self.name).status.hard, 30)

    def steps(self, name: str) -> list[client.CoreV1Event]:
        """The operator's Events on the steps of the runs of a job."""
        return [event for event in self._events(name) if _is_step(event)]

    def events(self, name: str = "") -> list[client.CoreV1Event]:
        """The operator's Events on a job, or on all, without those of steps, which only long runs have."""
        return [event for event in self._events(name) if not _is_step(event)]

    def _events(self, name: str) -> list[client.CoreV1Event]:
        one = f",involvedObject.name={name}" if name else ""
        found = self.world.core.list_namespaced_event(
            self.name, field_selector=f"involvedObject.kind=ImageJob{one}"
        )
        return [event for event in found.items if event.reporting_component == OPERATOR]

    def await_events(self, name: str, count: int = 1, seconds: float = 10) -> list[client.CoreV1Event]:
        """The operator's Events on a job, which it records after the status."""
        until(f"{count} Events", lambda: len(self.events(name)) >= count, seconds)
        return self.events(name)

    def revealed(self) -> list[str]:
        """Keys of stores and signed URLs in what users of the namespace can read, its Secrets apart."""
        core, objects, name = self.world.core, self.world.objects, self.name
        texts = [
            objects.list_namespaced_custom_object(GROUP, VERSION, name, kind, _preload_content=False)
            for kind in (PLURAL, STORES)
        ]
        texts += [
            core.list_namespaced_pod(name, _preload_content=False),
            core.list_namespaced_event(name, _preload_content=False),
            core.list_namespaced_config_map(name, _preload_content=False),
        ]
        return [found for text in texts for found in revealed(text.data.decode(), self.world.hidden)]

    def close(self) -> None:
        """Delete all jobs, check that nothing is left or was revealed, and delete the namespace."""
        where = (GROUP, VERSION, self.name, PLURAL)
        objects = self.world.objects

        def names() -> list[str]:
            found = objects.list_namespaced_custom_object(*where)["items"]
            return [job["metadata"]["name"] for job in found]

        try:
            assert self.revealed() == []
            count = len(names())
            objects.delete_collection_namespaced_custom_object(*where)
            until("all jobs are gone", lambda: not names(), 75 + count, lambda: str(names()))
            self.await_clean()
        finally:
            self.world.core.delete_namespace(self.name)

    def diagnosis(self) -> str:
        """Diagnostics for a failed test."""
        kubectl, lines = self.world.kubectl, []
        for words in (
            ("get", "imagejobs", "-o", "yaml", "-n", self.name),
            ("get", "pods,secrets", "-o", "wide", "-n", self.name),
            ("get", "events", "--sort-by=.lastTimestamp", "-n", self.name),
            ("get", "pods", "-o", "wide", "-n", NAMESPACE),
            ("logs", f"deployment/{OPERATOR}", "--tail=60", "-n", NAMESPACE),
        ):
            lines.append(f"$ kubectl {' '.join(words)}")
            try:
                lines.append(_without_noise(kubectl(*words)) if "yaml" in words else kubectl(*words))
            except ClusterError as error:
                lines.append(str(error))
        try:
            lines.append(f"staging: {self.staging()}")
        except (MinioException, HTTPError) as error:
            lines.append(f"staging: {error}")
        return "\n".join(lines)


def _is_step(event: client.CoreV1Event) -> bool:
    """Whether an Event is about a step of a run; the message of a failure begins with its code."""
    return event.reason in STEPS and not event.message.startswith("JOB_")


def _without_noise(text: str) -> str:
    document = yaml.safe_load(text)
    for item in document["items"]:
        for field in ("managedFields", "annotations"):
            item["metadata"].pop(field, None)
    return str(yaml.safe_dump(document["items"]))
