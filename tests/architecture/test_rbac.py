"""The operator may do what its code does, and nothing more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.imagejobs import KubeImageJobs
from imagejob_operator.adapters.kubernetes.imagestores import KubeImageStores
from imagejob_operator.adapters.kubernetes.lease import KubeLease
from imagejob_operator.adapters.kubernetes.metadata_list import KubeMetadataLister
from imagejob_operator.adapters.kubernetes.owners import KubeOwners
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.api.imagejob import parse_job
from imagejob_operator.api.imagestore import StoreStatus, parse_store
from imagejob_operator.api.status import RunStatus, Status
from imagejob_operator.decision.action import RecordEvent

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Rule = tuple[str, str, str]

JOB = {
    "metadata": {"namespace": "shop", "name": "a", "uid": "u1", "resourceVersion": "1"},
    "spec": {
        "source": {"keys": ["a.jpg"]},
        "renditions": [{"name": "web", "output": {"format": "JPEG"}}],
    },
    "status": {"phase": "Launching", "run": {"id": "1", "number": 1}},
}


STORE = {
    "metadata": {"namespace": "shop", "name": "media", "uid": "u2", "resourceVersion": "1"},
    "spec": {"endpoint": "a", "bucket": "media", "auth": {"secretRef": {"name": "media-store"}}},
}


class Recorder:
    """Answers every request so that the callers go on, and keeps what they asked."""

    def __init__(self, creating: int = 201) -> None:
        self.used: set[Rule] = set()
        self._creating = creating
        self._pods: dict[str, Any] = {}

    async def request(
        self,
        verb: str,
        path: str,
        body: Any = None,
        content_type: str = "",
        accept: str = "",
        only: Any = None,
    ) -> dict[str, Any]:
        plain = path.partition("?")[0]
        group = plain.split("/")[2] if plain.startswith("/apis/") else ""
        parts = plain.split("/namespaces/", 1)[-1].strip("/").split("/")
        collection = verb == "GET" and plain.endswith(("/pods", "/v1alpha1/imagejobs", "/events"))
        named = plain.startswith("/api/v1/namespaces/") and len(parts) == 1
        last = plain.rpartition("/")[2]
        resource = "namespaces" if named else last if collection else "/".join([parts[1], *parts[3:]])
        words = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete", "GET": "get"}
        self.used.add((group, resource, "list" if collection else words[verb]))
        if resource == "serviceaccounts/token":
            return {"status": {"token": "t"}}
        if verb == "POST" and resource == "pods":
            self._pods[body["metadata"]["name"]] = body
            if self._creating == 409:
                raise ApiError(409, "AlreadyExists", "there already")
        if resource == "pods" and not collection:
            pod = next(iter(self._pods.values()))
            created = {"uid": "p1", "creationTimestamp": "2026-01-01T00:00:00Z"}
            return {**pod, "metadata": {**pod["metadata"], **created}}
        return {"items": [], **JOB} if verb == "GET" else JOB


async def verbs_used() -> set[Rule]:
    used: set[Rule] = set()
    for creating in (201, 409):
        http = Recorder(creating)
        jobs: Any = KubeImageJobs(http, lambda: NOW)  # type: ignore[arg-type]
        launcher = PodLauncher(http, PodSettings("default", "image"), lambda: NOW)  # type: ignore[arg-type]
        job = parse_job(JOB)
        await jobs.namespace_labels("shop")
        await jobs.add_finalizer(job)
        await jobs.remove_finalizer(job)
        await jobs.write_status(job, Status(phase="Running", run=RunStatus(id="1", number=1)))
        await jobs.record_event(job, RecordEvent(warning=False, reason="Succeeded", message="", run=1))
        await jobs.record_event(job, RecordEvent(False, reason="Suspended", message="", run=1, step=2))
        await jobs.delete(job)
        whole = await jobs.whole(job)
        attempt = await launcher.launch(whole, 0, 1, NOW + timedelta(hours=1))
        await launcher.deliver(attempt, "shop", "url")
        await launcher.remark(attempt, "shop")
        await launcher.stop(attempt, "shop")
        _ = [pod async for pod in launcher.present(())]
        owners = KubeOwners(http)  # type: ignore[arg-type]
        await owners.cluster_uid()
        await owners.uids(())
        await owners.get(job.key)
        stores = KubeImageStores(http)  # type: ignore[arg-type]
        await stores.write_status(parse_store(STORE), StoreStatus())
        metadata_lister = KubeMetadataLister(http, "default")  # type: ignore[arg-type]
        await metadata_lister.jobs(())
        await metadata_lister.attempts(("shop",))
        used |= http.used
    # What Kopf does of itself with event handlers only.
    watched = (("imagejob.dev", "imagejobs"), ("imagejob.dev", "imagestores"), ("", "pods"))
    return used | {(g, r, v) for g, r in watched for v in ("list", "watch")}


async def verbs_used_at_home() -> set[Rule]:
    """In the operator's own namespace."""
    http = Recorder()
    lease = KubeLease(http, "imagejob-system", "imagejob-default", 12, lambda: NOW)  # type: ignore[arg-type]
    await lease.write("a", None)
    await lease.write("b", await lease.read())
    return http.used


async def verbs_used_at_tenants() -> set[Rule]:
    """In the namespace of an ImageStore, by what its Role lets the operator do."""
    http = Recorder()
    stores = KubeImageStores(http)  # type: ignore[arg-type]
    await stores.secret("shop", "media-store")
    await stores.config_map("shop", "store-authority")
    await stores.token("shop", "image-robot", "audience")
    return http.used


def granted(path: Path, name: str, kind: str = "ClusterRole") -> set[Rule]:
    documents = [d for d in yaml.safe_load_all(path.read_text()) if d["kind"] == kind]
    role = next(d for d in documents if d["metadata"]["name"] == name)
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


RBAC = ROOT / "manifests" / "base" / "rbac.yaml"


async def test_granted_is_what_is_used() -> None:
    assert granted(RBAC, "imagejob-operator") == await verbs_used()


async def test_granted_at_home_is_what_is_used_there() -> None:
    assert granted(RBAC, "imagejob-operator", "Role") == await verbs_used_at_home()


async def test_a_tenant_grants_what_is_used_there_by_name() -> None:
    role = ROOT / "manifests" / "tenant" / "imagestore-role.yaml"
    assert granted(role, "imagejob-store", "Role") == await verbs_used_at_tenants()
    rules = next(d for d in yaml.safe_load_all(role.read_text()) if d["kind"] == "Role")["rules"]
    assert all(rule["resourceNames"] for rule in rules)


def test_no_secret_at_home_is_read() -> None:
    assert {resource for _, resource, _ in granted(RBAC, "imagejob-operator", "Role")} == {"leases"}


def test_nothing_that_would_give_secrets_away() -> None:
    rules = granted(RBAC, "imagejob-operator")
    assert {verb for _, resource, verb in rules if resource == "secrets"} == {"create"}
    assert not any("*" in part for rule in rules for part in rule)


NAMESPACED = ROOT / "manifests" / "overlays" / "namespaced"
ACCESS = ROOT / "manifests" / "access" / "rolebinding.yaml"


def bindings(paths: list[Path], kind: str) -> dict[str, str]:
    """Bindings by name, and what each binds."""
    documents = [d for path in paths for d in yaml.safe_load_all(path.read_text()) if d["kind"] == kind]
    return {d["metadata"]["name"]: f"{d['roleRef']['kind']}/{d['roleRef']['name']}" for d in documents}


def deleted(overlay: Path) -> set[str]:
    """The ClusterRoleBindings that an overlay takes away."""
    patches = [
        yaml.safe_load(p["patch"]) for p in yaml.safe_load(overlay.read_text())["patches"] if "patch" in p
    ]
    return {
        p["metadata"]["name"]
        for p in patches
        if p["kind"] == "ClusterRoleBinding" and p.get("$patch") == "delete"
    }


def cluster_wide(overlay: Path, own: Path) -> dict[str, str]:
    left = bindings([RBAC, own], "ClusterRoleBinding")
    return {name: role for name, role in left.items() if name not in deleted(overlay)}


def test_a_namespaced_operator_has_no_rights_in_other_namespaces() -> None:
    overlay, own = NAMESPACED / "kustomization.yaml", NAMESPACED / "cluster-uid.yaml"
    found = cluster_wide(overlay, own)
    assert found == {"imagejob-operator-cluster-uid": "ClusterRole/imagejob-operator-cluster-uid"}
    assert granted(own, "imagejob-operator-cluster-uid", "ClusterRole") == {("", "namespaces", "get")}
    (role,) = [d for d in yaml.safe_load_all(own.read_text()) if d["kind"] == "ClusterRole"]
    assert role["rules"][0]["resourceNames"] == ["kube-system"]
    assert bindings([ACCESS], "RoleBinding") == {"imagejob-operator": "ClusterRole/imagejob-operator"}
    assert bindings([ACCESS], "ClusterRoleBinding") == {}


def test_a_right_too_wide_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "kustomization.yaml"
    planted.write_text(
        (NAMESPACED / "kustomization.yaml").read_text().replace("$patch: delete", "labels: {}")
    )
    assert "imagejob-operator" in cluster_wide(planted, NAMESPACED / "cluster-uid.yaml")


async def test_a_verb_too_many_is_found(tmp_path: Path) -> None:
    planted = tmp_path / "rbac.yaml"
    planted.write_text(RBAC.read_text().replace("verbs: [create]", "verbs: [create, list]"))
    assert granted(planted, "imagejob-operator") - await verbs_used() == {("", "secrets", "list")}
