"""`imagejob uninstall` deletes in the order that leaves no finalizer, and only after a question."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from fakes.transport import NO_PARAMS, FakeTransport, job
from imagejob.client import Client
from imagejob.errors import ImageJobError, NotInstalled, Rejected
from imagejob.transport import Params
from imagejob_operator.naming.names import FINALIZER
from unit.cli.conftest import Run

CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/imagejobs.imagejob.dev"
NAMESPACE = "/api/v1/namespaces/imagejob-system"
ROLES = "/apis/rbac.authorization.k8s.io/v1"
JOBS = "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs"


def operator(ready: int = 1, **metadata: Any) -> dict[str, Any]:
    named = {"name": "imagejob-operator", "namespace": "imagejob-system", **metadata}
    return {"metadata": named, "status": {"readyReplicas": ready}}


@dataclass
class Installed(FakeTransport):
    """An API server that forgets what is deleted; without an operator, jobs keep their finalizers."""

    def request(
        self, method: str, path: str, what: str, params: Params = NO_PARAMS, body: object = None
    ) -> dict[str, Any]:
        if path.startswith("/apis/imagejob.dev/") and CRD not in self.answers:
            raise NotInstalled("the API server does not serve ImageJobs")
        if method == "DELETE" and path in self.answers:
            self.changes.append((method, path, dict(params), body))
            answer = self.answers.pop(path)
            if isinstance(answer, ImageJobError):
                raise answer
            return answer
        kept = method == "DELETE" and self._guarded(path)
        if path.startswith("/apis/imagejob.dev/") and not kept:
            done = super().request(method, path, what, params, body)
            if method == "PATCH" and not done["metadata"].get("finalizers"):
                self.jobs.pop((done["metadata"]["namespace"], done["metadata"]["name"]))
            return done
        if kept or path in self.answers:
            return super().request("GET" if kept else method, path, what, params, body)
        raise Rejected(404, "not found")

    def _guarded(self, path: str) -> bool:
        found: Mapping[str, Any] = self.jobs.get(("shop", path.rpartition("/")[2]), {})
        running = self.answers["/apis/apps/v1/deployments"]
        assert isinstance(running, dict)
        ready = any(one["status"]["readyReplicas"] for one in running["items"])
        return bool(found.get("metadata", {}).get("finalizers")) and not ready


@pytest.fixture
def installed(api: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> Installed:
    made = Installed()
    monkeypatch.setattr("imagejob.client.Client.connect", lambda **_: Client(made, "shop"))
    monkeypatch.setattr("imagejob_cli.uninstalling.sleep", lambda seconds: None)
    guarded = job("a", "Running")
    guarded["metadata"]["finalizers"] = [FINALIZER]
    made.add(guarded, job("b", "Succeeded"))
    made.answers |= {
        "/apis/apps/v1/deployments": {"items": [operator()]},
        CRD: {},
        NAMESPACE: {"metadata": {"labels": {"app.kubernetes.io/part-of": "imagejob"}}},
        "/apis/apps/v1/namespaces/imagejob-system/deployments": {
            "items": [operator(), {"metadata": {"name": "minio"}}]
        },
        f"{ROLES}/rolebindings": {
            "items": [
                {
                    "metadata": {"name": "imagejob-operator", "namespace": "blog"},
                    "roleRef": {"kind": "ClusterRole"},
                },
                {"metadata": {"name": "other", "namespace": "blog"}, "roleRef": {"kind": "ClusterRole"}},
            ]
        },
        f"{ROLES}/namespaces/blog/rolebindings/imagejob-operator": {},
        f"{ROLES}/clusterroles/imagejob-operator": {},
    }
    return made


def deleted(api: FakeTransport) -> list[str]:
    return [path.rpartition("/")[2] for method, path, *_ in api.changes if method == "DELETE"]


ALL = ["a", "b", "imagejobs.imagejob.dev", "imagejob-system", "imagejob-operator", "imagejob-operator"]


def test_the_jobs_then_the_crds_then_the_operator(installed: Installed, run: Run) -> None:
    done = run("uninstall", "--yes")
    assert done.code == 0, done
    assert deleted(installed) == ALL
    assert done.out == (
        "This deletes, in this order:\n"
        "  imagejob shop/a  Running\n"
        "  imagejob shop/b  Succeeded\n"
        "  customresourcedefinitions/imagejobs.imagejob.dev\n"
        "  namespaces/imagejob-system with everything in it; Deployments: imagejob-operator, minio\n"
        "  rolebindings/imagejob-operator in namespace blog\n"
        "  clusterroles/imagejob-operator\n"
        "2 ImageJobs deleted\nCRDs deleted\noperator deleted\n"
    )
    again = run("uninstall", "--yes")
    assert again.code == 0


@pytest.mark.parametrize("words", [["--dry-run"], ["--dry-run", "--yes"]])
def test_a_dry_run_deletes_nothing(installed: Installed, run: Run, words: list[str]) -> None:
    done = run("uninstall", *words)
    assert (done.code, installed.changes) == (0, [])
    assert "clusterroles/imagejob-operator" in done.out


def test_a_pipe_is_not_asked(installed: Installed, run: Run) -> None:
    refused = run("uninstall", stdin="y\n")
    assert (refused.code, installed.changes) == (2, [])
    assert "add --yes to delete all of this" in refused.err


@pytest.mark.parametrize(("answer", "code"), [(True, 0), (False, 130)])
def test_a_person_is_asked(
    installed: Installed, run: Run, monkeypatch: pytest.MonkeyPatch, answer: bool, code: int
) -> None:
    monkeypatch.setattr("imagejob_cli.commands.uninstall._confirmed", lambda: answer)
    assert run("uninstall").code == code
    assert deleted(installed) == (ALL if answer else [])


def test_without_an_operator_finalizers_would_stay(installed: Installed, run: Run) -> None:
    installed.answers["/apis/apps/v1/deployments"] = {"items": [operator(ready=0)]}
    refused = run("uninstall", "--yes")
    assert (refused.code, installed.changes) == (2, [])
    assert f"1 ImageJob (shop/a) would keep the finalizer {FINALIZER}" in refused.err
    assert run("uninstall", "--yes", "--force").code == 0
    assert deleted(installed) == ["b", *ALL[2:]]  # the first one was already being deleted
    assert (JOBS + "/a", {"metadata": {"finalizers": []}}) in [
        (path, body) for method, path, _, body in installed.changes if method == "PATCH"
    ]


def test_what_is_not_gone_in_time_is_named(installed: Installed, run: Run) -> None:
    installed.answers[f"DELETE {JOBS}/a"] = {}
    late = run("uninstall", "--yes", "--timeout", "0")
    assert late.code == 3
    assert "not deleted within 0 s: shop/a; see its finalizers" in late.err


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        ({"namespace": "other"}, "another operator is in namespace 'other'"),
        (
            {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
            "the operator is managed by the Flux Kustomization 'apps', which would create it again",
        ),
    ],
)
def test_an_operator_of_somebody_else_is_left_alone(
    installed: Installed, run: Run, metadata: dict[str, Any], text: str
) -> None:
    installed.answers["/apis/apps/v1/deployments"] = {"items": [operator(**metadata)]}
    refused = run("uninstall", "--yes")
    assert (refused.code, installed.changes) == (2, [])
    assert text in refused.err


def test_a_release_of_helm_is_left_to_helm(installed: Installed, run: Run) -> None:
    release = {"annotations": {"meta.helm.sh/release-name": "images"}}
    installed.answers["/apis/apps/v1/deployments"] = {"items": [operator(**release)]}
    done = run("uninstall", "--yes")
    assert deleted(installed) == ["a", "b", "imagejobs.imagejob.dev"]
    assert done.out.endswith("the operator is a release of Helm: helm uninstall images -n imagejob-system\n")


def test_a_namespace_that_is_not_ours_stays(installed: Installed, run: Run) -> None:
    installed.answers[NAMESPACE] = {"metadata": {"labels": {}}}
    installed.answers["/apis/apps/v1/namespaces/imagejob-system/deployments/imagejob-operator"] = {}
    assert run("uninstall", "--yes").code == 0
    assert NAMESPACE in installed.answers
    assert "imagejob-system" not in deleted(installed)


@pytest.mark.parametrize(
    ("metadata", "advised"),
    [
        (
            {"annotations": {"meta.helm.sh/release-name": "images"}},
            "delete only yours: helm uninstall images -n imagejob-system, after the value crds.keep",
        ),
        (
            {},
            "delete only yours: its ImageJobs while it runs, then the namespace 'imagejob-system', and the "
            "ClusterRoles and bindings that only your operator uses; not an overlay or install.yaml",
        ),
    ],
)
def test_one_of_two_operators_is_uninstalled_without_the_crds(
    installed: Installed, run: Run, metadata: dict[str, Any], advised: str
) -> None:
    both = [operator(namespace="second"), operator(**metadata)]
    installed.answers["/apis/apps/v1/deployments"] = {"items": both}
    refused = run("uninstall", "--yes")
    assert (refused.code, installed.changes) == (2, [])
    assert "another operator is in namespace 'second', and uses the same CRDs" in refused.err
    assert f"Keep the CRDs, and {advised}" in refused.err
    assert "kubectl delete -k" not in refused.err
    assert "delete its Deployment" not in refused.err


def test_the_only_operator_in_another_namespace_has_to_be_named(installed: Installed, run: Run) -> None:
    installed.answers["/apis/apps/v1/deployments"] = {"items": [operator(namespace="second")]}
    refused = run("uninstall", "--yes")
    assert "none in 'imagejob-system': name the namespace of yours with --operator-namespace" in refused.err
