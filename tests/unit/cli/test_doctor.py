"""`imagejob doctor`: every check can fail, and says what to do."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fakes.transport import FakeTransport, job
from imagejob import Forbidden, ImageJobError, NotInstalled, Unreachable
from imagejob_cli.diagnosis import RIGHTS, SUBJECTS
from imagejob_operator.naming.names import FINALIZER
from unit.cli.conftest import Run

API = "/apis/imagejob.dev/v1alpha1"
OPERATOR = "/api/v1/namespaces/imagejob-system"
METRICS = f"{OPERATOR}/services/imagejob-operator:http/proxy/metrics"
ALL_DEPLOYMENTS = "/apis/apps/v1/deployments"
DEPLOYMENTS = "/apis/apps/v1/namespaces/imagejob-system/deployments"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
QUOTAS = "/api/v1/namespaces/shop/resourcequotas"
STORES = f"{API}/namespaces/shop/imagestores"


def deployment(ready: int, namespace: str = "imagejob-system", replicas: int = 2) -> dict[str, Any]:
    containers = [{"envFrom": [{"configMapRef": {"name": "settings"}}]}]
    template = {"spec": {"containers": containers}}
    return {
        "metadata": {"name": "imagejob-operator", "namespace": namespace},
        "spec": {"replicas": replicas, "template": template},
        "status": {"readyReplicas": ready},
    }


def store(status: str, message: str = "") -> dict[str, Any]:
    ready = {"type": "Ready", "status": status, "message": message}
    return {"metadata": {"name": "media"}, "status": {"conditions": [ready]}}


def quota(used: str) -> dict[str, Any]:
    status = {"hard": {"pods": "10"}, "used": {"pods": used}}
    return {"items": [{"metadata": {"name": "small"}, "status": status}]}


@pytest.fixture
def sound(api: FakeTransport) -> FakeTransport:
    """A cluster in which all is well."""
    api.answers |= {
        "/version": {"gitVersion": "v1.35.4"},
        "/apis/authentication.k8s.io/v1/selfsubjectreviews": {"status": {"userInfo": {"username": "jane"}}},
        API: {"resources": [{"name": "imagejobs"}, {"name": "imagestores"}]},
        DEPLOYMENTS: {"items": [deployment(2)]},
        ALL_DEPLOYMENTS: {"items": [deployment(2)]},
        METRICS: {"text": "# HELP\nimagejob_store_usable 1.0\n"},
        f"{OPERATOR}/configmaps/settings": {"data": {"IMAGEJOB_NAMESPACE_SELECTOR": "team=a,imagejob=yes"}},
        "/api/v1/namespaces/shop": {"metadata": {"labels": {"team": "a", "imagejob": "yes"}}},
        REVIEWS: {"status": {"allowed": True}},
        QUOTAS: quota("3"),
        STORES: {"items": [store("True")]},
    }
    return api


def test_a_sound_cluster_is_exit_0(sound: FakeTransport, run: Run) -> None:
    done = run("doctor")
    assert done.code == 0
    assert (
        done.out
        == """\
✓  API server        Kubernetes v1.35.4, you are jane
✓  CRDs              imagejobs and imagestores in imagejob.dev/v1alpha1
✓  operator          2 of 2 replicas ready in namespace 'imagejob-system'
✓  other operators   none handles the same ImageJobs
✓  operator's store  the operator can list its staging
✓  namespace         'shop' may use the operator's store
✓  rights            you may use ImageJobs and read Pods in namespace 'shop'
✓  quota             no quota is used up
✓  ImageStores       1 ready
✓  ImageJobs         none yet
"""
    )
    found = json.loads(run("doctor", "-o", "json").out)
    assert [one["subject"] for one in found] == ["API server", *SUBJECTS]
    assert {one["result"] for one in found} == {"ok"}


@pytest.mark.parametrize(
    ("path", "answer", "subject", "detail", "remedy"),
    [
        (
            API,
            NotInstalled("x"),
            "CRDs",
            "imagejobs, imagestores in imagejob.dev/v1alpha1: not installed",
            "crds/ of the release: docs/administrators/install.md#kustomize",
        ),
        (API, {"resources": [{"name": "imagejobs"}]}, "CRDs", "imagestores in", "administrator"),
        (DEPLOYMENTS, {"items": []}, "operator", "no Deployment of it in", "--operator-namespace"),
        (
            DEPLOYMENTS,
            {"items": [deployment(0)]},
            "operator",
            "0 of 2 replicas ready",
            "kubectl describe pods",
        ),
        (METRICS, {"text": "imagejob_store_usable 0.0"}, "operator's store", "cannot list", "kubectl logs"),
        (
            "/api/v1/namespaces/shop",
            {"metadata": {"labels": {"team": "a"}}},
            "namespace",
            "'shop' may not use the operator's store",
            "kubectl label namespace shop imagejob=yes",
        ),
        (
            REVIEWS,
            {"status": {"allowed": False}},
            "rights",
            "you may not get imagejobs, list imagejobs",
            "ClusterRole 'edit' of Kubernetes, which includes 'imagejob-edit'",
        ),
        (QUOTAS, quota("10"), "quota", "pods of quota 'small' is 10 of 10", "raise the quota"),
        (STORES, {"items": [store("False", "no bucket")]}, "ImageStores", "media: no bucket", "stores.md"),
        (
            STORES,
            {"items": [{"metadata": {"name": "x"}}]},
            "ImageStores",
            "x: no operator has handled it",
            "stores.md",
        ),
    ],
)
def test_what_is_wrong_is_named_with_a_remedy(
    sound: FakeTransport, run: Run, path: str, answer: Any, subject: str, detail: str, remedy: str
) -> None:
    sound.answers[path] = answer
    assert run("doctor").code == 3
    wrong = [one for one in json.loads(run("doctor", "-o", "json").out) if one["result"] == "not ok"]
    assert [one["subject"] for one in wrong] == [subject]
    assert detail in wrong[0]["detail"]
    assert remedy in wrong[0]["remedy"]


def test_jobs_that_no_operator_handles(sound: FakeTransport, run: Run) -> None:
    sound.add(job("lost"), job("done", "Succeeded"))
    done = run("doctor")
    assert done.code == 3
    assert "✗  ImageJobs         not handled by any operator: lost" in done.out
    assert "is spec.class missing?" in done.out


def test_deletions_that_hang_are_named(sound: FakeTransport, run: Run) -> None:
    for name, seconds in (("a", 150), ("b", 60)):
        body = job(name, "Deleting")
        since = (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()
        body["metadata"] |= {"deletionTimestamp": since, "finalizers": [FINALIZER]}
        sound.add(body)
    done = run("doctor")
    assert done.code == 3
    assert "✗  ImageJobs         not deleted after 2 minutes: a\n" in done.out
    assert "→ docs/administrators/runbook.md#a-deletion-hangs" in done.out


@pytest.mark.parametrize("found", [[], [deployment(0)]])
def test_without_an_operator_no_job_counts_as_handled(
    sound: FakeTransport, run: Run, found: list[Any]
) -> None:
    sound.add(job("a", "Running"), job("b", "Succeeded"))
    assert "✓  ImageJobs         2, all handled by an operator\n" in run("doctor").out
    sound.answers[DEPLOYMENTS] = {"items": found}
    out = run("doctor").out
    assert "handled by an operator" not in out
    text = "2; no operator that handles them is ready in namespace 'imagejob-system'"
    assert f"?  ImageJobs         {text}\n" in out


def second(sound: FakeTransport, ours: dict[str, str], theirs: dict[str, str], replicas: int = 1) -> None:
    other = deployment(1, "second", replicas)
    sound.answers[ALL_DEPLOYMENTS] = {"items": [deployment(2), other]}
    usual = {"IMAGEJOB_NAMESPACE_SELECTOR": "*"}
    sound.answers[f"{OPERATOR}/configmaps/settings"] = {"data": usual | ours}
    sound.answers["/api/v1/namespaces/second/configmaps/settings"] = {"data": theirs}


CLASS, WATCHED = "IMAGEJOB_CLASS", "IMAGEJOB_WATCH_NAMESPACES"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({CLASS: "a"}, {CLASS: "a"}),
        ({WATCHED: "shop, blog"}, {}),
        ({WATCHED: "shop, blog"}, {WATCHED: "blog"}),
    ],
)
def test_a_second_operator_of_the_same_jobs_is_named(
    sound: FakeTransport, run: Run, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    second(sound, ours, theirs)
    done = run("doctor")
    assert done.code == 3
    assert "✗  other operators   ImageJobs are processed twice" in done.out
    assert "Deployment 'imagejob-operator' in namespace 'second'" in done.out
    assert "→ give one of both another IMAGEJOB_CLASS, or other IMAGEJOB_WATCH_NAMESPACES" in done.out


@pytest.mark.parametrize(
    ("ours", "theirs", "replicas"),
    [
        ({}, {CLASS: "a"}, 1),
        ({CLASS: "b"}, {CLASS: "a"}, 1),
        ({WATCHED: "shop"}, {WATCHED: "blog"}, 1),
        ({}, {}, 0),
    ],
)
def test_operators_of_different_jobs_are_fine(
    sound: FakeTransport, run: Run, ours: dict[str, str], theirs: dict[str, str], replicas: int
) -> None:
    second(sound, ours, theirs, replicas)
    done = run("doctor")
    assert done.code == 0
    assert "✓  other operators   none handles the same ImageJobs" in done.out


def test_a_variable_of_the_deployment_counts_more_than_the_configmap(sound: FakeTransport, run: Run) -> None:
    second(sound, {}, {CLASS: "a"})
    both: Any = sound.answers[ALL_DEPLOYMENTS]
    container = both["items"][1]["spec"]["template"]["spec"]["containers"][0]
    container["env"] = [{"name": CLASS, "value": ""}, {"name": "POD_NAME", "valueFrom": {}}]
    assert "ImageJobs are processed twice" in run("doctor").out


def test_the_namespace_of_the_only_operator_is_suggested(sound: FakeTransport, run: Run) -> None:
    sound.answers[DEPLOYMENTS] = {"items": []}
    sound.answers[ALL_DEPLOYMENTS] = {"items": [deployment(1, "second")]}
    out = run("doctor").out
    assert "?  other operators   one is in namespace 'second'\n" in out
    assert "→ if it is yours: --operator-namespace second" in out


@pytest.mark.parametrize(
    "path", [DEPLOYMENTS, ALL_DEPLOYMENTS, METRICS, "/api/v1/namespaces/shop", QUOTAS, STORES]
)
def test_what_the_user_may_not_read_is_not_checked_and_not_wrong(
    sound: FakeTransport, run: Run, path: str
) -> None:
    sound.answers[path] = Forbidden("user 'jane' may not read it")
    done = run("doctor")
    assert done.code == 0
    assert done.out.count("?  ") >= 1
    assert "may not read it" in done.out


def test_the_labels_are_those_of_the_settings(sound: FakeTransport, run: Run) -> None:
    sound.answers[f"{OPERATOR}/configmaps/settings"] = Forbidden("x")
    done = run("doctor")
    assert done.code == 0
    assert "?  namespace         'shop' does not have the usual label" in done.out
    assert "kubectl label namespace shop imagejob.dev/store=default" in done.out
    sound.answers[f"{OPERATOR}/configmaps/settings"] = {"data": {}}
    assert run("doctor").code == 3
    sound.answers[f"{OPERATOR}/configmaps/settings"] = {"data": {"IMAGEJOB_NAMESPACE_SELECTOR": "*"}}
    assert run("doctor").code == 0


@pytest.mark.parametrize("raised", [Unreachable("no route to host"), Forbidden("no")])
def test_without_an_api_server_there_is_no_diagnosis(
    sound: FakeTransport, run: Run, raised: ImageJobError
) -> None:
    sound.answers["/version"] = raised
    done = run("doctor")
    assert (done.code, done.out) == (3, "")
    assert str(raised) in done.err


def test_the_rights_that_are_checked_are_those_of_the_roles() -> None:
    assert {verb for group, _, _, verb in RIGHTS if group} == {
        "get",
        "list",
        "watch",
        "create",
        "patch",
        "delete",
    }
