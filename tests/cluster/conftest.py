"""A real API server with the CRD installed: the one that is named, else one of our own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"
GROUP, VERSION, PLURAL = "imagejob.dev", "v1alpha1", "imagejobs"


@dataclass(frozen=True)
class Refusal:
    """What the API server answered: the fields it names, each with what it says of it."""

    status: int
    causes: tuple[tuple[str, str], ...]
    message: str

    def names(self, field: str, words: str) -> bool:
        return any(cause == field and words in message for cause, message in self.causes)


@dataclass(frozen=True)
class Cluster:
    """Access to the cluster of this session."""

    kubeconfig: str
    kubectl_path: str
    api: client.ApiClient

    @property
    def objects(self) -> client.CustomObjectsApi:
        return client.CustomObjectsApi(self.api)

    def kubectl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self.kubectl_path, "--kubeconfig", self.kubeconfig, *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    def create(
        self, namespace: str, body: dict[str, Any], dry_run: bool = False, plural: str = PLURAL
    ) -> dict[str, Any] | Refusal:
        """Create an ImageJob with strict validation; a refusal is an answer, not an error."""
        options = {"dry_run": "All"} if dry_run else {}
        return self._answer(
            self.objects.create_namespaced_custom_object,
            GROUP, VERSION, namespace, plural, body, field_validation="Strict", **options,
        )  # fmt: skip

    def replace(
        self,
        namespace: str,
        body: dict[str, Any],
        *,
        status: bool = False,
        dry_run: bool = False,
        plural: str = PLURAL,
    ) -> dict[str, Any] | Refusal:
        """Replace an ImageJob, or its status, with strict validation."""
        call = self.objects.replace_namespaced_custom_object
        if status:
            call = self.objects.replace_namespaced_custom_object_status
        options = {"dry_run": "All"} if dry_run else {}
        name = body["metadata"]["name"]
        return self._answer(
            call, GROUP, VERSION, namespace, plural, name, body, field_validation="Strict", **options
        )

    def stop_operator(self) -> None:
        """End an operator that an earlier run of other tests left: it would take our jobs for its own."""
        place = ("-n", "imagejob-system")
        if self.kubectl("scale", "deployment/imagejob-operator", *place, "--replicas=0").returncode == 0:
            pods = ("pods", "-l", "app.kubernetes.io/name=imagejob-operator")
            waited = self.kubectl("wait", "--for=delete", *pods, *place, "--timeout=60s")
            assert waited.returncode == 0, waited.stderr

    def await_established(self, *names: str) -> None:
        """Return when these CustomResourceDefinitions are served."""
        end = time.monotonic() + 60
        while True:
            waited = self.kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")
            # A new definition has null as its conditions, which kubectl refuses.
            if waited.returncode == 0 or "accessor error" not in waited.stderr or time.monotonic() > end:
                assert waited.returncode == 0, waited.stderr
                return

    def delete(self, namespace: str, name: str, plural: str = PLURAL) -> None:
        self.objects.delete_namespaced_custom_object(GROUP, VERSION, namespace, plural, name)

    def _answer(self, call: Any, *arguments: Any, **options: Any) -> dict[str, Any] | Refusal:
        try:
            answer: dict[str, Any] = call(*arguments, **options)
        except client.ApiException as error:
            if error.status not in (400, 422):
                raise
            body = json.loads(error.body)
            causes = body.get("details", {}).get("causes", [])
            named = tuple((cause.get("field", ""), cause.get("message", "")) for cause in causes)
            return Refusal(error.status, named, body.get("message", ""))
        return answer


def _localcluster(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    command = [sys.executable, "-m", "localcluster", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=False)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster that IMAGEJOB_TEST_KUBECONFIG names, or a local cluster (IMAGEJOB_TEST_CLUSTER, or `test`).

    A local cluster that was up already stays up; one that was started here ends here.
    """
    kubeconfig = os.environ.get("IMAGEJOB_TEST_KUBECONFIG", "")
    name = os.environ.get("IMAGEJOB_TEST_CLUSTER", "test")
    started, local = False, not kubeconfig
    if local:
        if _localcluster("status", "--name", name).returncode != 0:
            assert _localcluster("up", "--name", name).returncode == 0, "the local cluster did not start"
            started = True
        kubeconfig = _localcluster("kubeconfig", "--name", name).stdout.strip()
    kubectl = shutil.which("kubectl") or str(Path(_localcluster("bin").stdout.strip()) / "kubectl")
    api = config.new_client_from_config(kubeconfig)
    made = Cluster(kubeconfig, kubectl, api)
    try:
        applied = made.kubectl("apply", "--server-side", "--force-conflicts", "-k", str(CRDS))
        assert applied.returncode == 0, applied.stderr
        made.await_established(*(f"crd/{plural}.{GROUP}" for plural in (PLURAL, "imagestores")))
        if local:
            made.stop_operator()
        yield made
    finally:
        api.close()
        if started:
            _localcluster("down", "--name", name)


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace of its own for each module."""
    core = client.CoreV1Api(cluster.api)
    name = f"test-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    yield name
    core.delete_namespace(name)
