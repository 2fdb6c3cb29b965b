"""The chart itself: values that it refuses, a second release, hooks, and what OpenShift admits."""

from __future__ import annotations

import copy
import shutil
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from distribution import chart
from distribution.rendering import Object, chart_objects, differences, helm_program, identity
from helm.renderings import PRODUCTION, STORE, one_of, values
from localcluster.commands import run
from localcluster.errors import ClusterError

pytestmark = pytest.mark.timeout(600)


@cache
def _default() -> list[Object]:
    return chart_objects(values(STORE))


def default() -> list[Object]:
    """What the default values give; a test may change it."""
    return copy.deepcopy(_default())


EVERYTHING = {
    "podDisruptionBudget": {"enabled": True},
    "flowControl": {"enabled": True},
    "monitoring": {"enabled": True},
}


def test_helm_lint_has_no_warning(tmp_path: Path) -> None:
    words = [word for name, value in STORE.items() for word in ("--set", f"settings.{name}={value}")]
    found = run([str(helm_program()), "lint", "--strict", str(chart.chart_folder()), *words])
    assert "1 chart(s) linted, 0 chart(s) failed" in found
    assert "WARN" not in found


def test_the_package_has_the_whole_chart(tmp_path: Path) -> None:
    run([str(helm_program()), "package", str(chart.chart_folder()), "--destination", str(tmp_path)])
    (package,) = tmp_path.glob("imagejob-*.tgz")
    assert package.name == f"imagejob-{chart.version()}.tgz"
    packaged = chart_objects(values(STORE, **EVERYTHING), chart=package)
    assert differences(packaged, chart_objects(values(STORE, **EVERYTHING))) == []


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no store": ({}, "IMAGEJOB_STORE_BUCKET"),
    "an unknown setting": ({"settings": {**STORE, "IMAGEJOB_STORE_REGIN": "x"}}, "IMAGEJOB_STORE_REGIN"),
    "a wrong choice": ({"settings": {**STORE, "IMAGEJOB_ENGINE": "Fast"}}, "IMAGEJOB_ENGINE"),
    "a name that is too long": ({"settings": {**STORE, "IMAGEJOB_INSTALLATION": "a" * 51}}, "INSTALLATION"),
    "a secret among the settings": ({"settings": {**STORE, "OTEL_EXPORTER_OTLP_HEADERS": "a=b"}}, "HEADERS"),
    "an unknown value": ({"settings": STORE, "replica": 2}, "replica"),
    "no replica": ({"settings": STORE, "replicas": 0}, "replicas"),
    "volumes that are no list": ({"settings": STORE, "volumes": {"name": "ca"}}, "volumes"),
    "a volume without a name": ({"settings": STORE, "volumes": [{"configMap": {}}]}, "volumes"),
    "mounts that are no list": ({"settings": STORE, "volumeMounts": "/etc/ca"}, "volumeMounts"),
    "a mount without a path": ({"settings": STORE, "volumeMounts": [{"name": "ca"}]}, "mountPath"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_values_are_refused_by_name(name: str) -> None:
    wrong, text = REFUSED[name]
    with pytest.raises(ClusterError, match=text):
        chart_objects(wrong)


def test_settings_are_text() -> None:
    settings = {
        **STORE,
        "IMAGEJOB_STORE_SECURE": False,
        "IMAGEJOB_REPORT_RETENTION_DAYS": 30,
        "IMAGEJOB_SWEEP_INTERVAL_SECONDS": 86400,
    }
    data = one_of(chart_objects(values(settings)), "ConfigMap")["data"]
    assert data["IMAGEJOB_STORE_SECURE"] == "false"
    assert data["IMAGEJOB_REPORT_RETENTION_DAYS"] == "30"
    assert data["IMAGEJOB_SWEEP_INTERVAL_SECONDS"] == "86400"


def test_a_setting_that_changes_restarts_the_operator() -> None:
    def checksum(settings: dict[str, Any]) -> str:
        pod = one_of(chart_objects(values(settings)), "Deployment")["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/settings"])

    assert checksum(STORE) == checksum(dict(reversed(STORE.items())))
    assert checksum(STORE) != checksum({**STORE, "IMAGEJOB_LOG_LEVEL": "DEBUG"})


def test_crds_are_kept_unless_asked_otherwise() -> None:
    kept = chart_objects({"settings": STORE})
    assert differences(kept, default()) == [
        f"CustomResourceDefinition/{plural}.imagejob.dev: metadata.annotations: "
        "{'helm.sh/resource-policy': 'keep'} is not None"
        for plural in ("imagejobs", "imagestores")
    ]
    without = chart_objects({"settings": STORE, "crds": {"install": False}})
    assert not [one for one in without if one["kind"] == "CustomResourceDefinition"]


CLUSTER_KINDS = ("ClusterRole", "ClusterRoleBinding", "FlowSchema")


def test_a_second_release_has_no_object_of_the_first() -> None:
    first = chart_objects(values(STORE, **EVERYTHING))
    second = chart_objects(
        {"settings": STORE, "crds": {"install": False}, **EVERYTHING}, release="blue", namespace="images"
    )
    assert {identity(one) for one in first} & {identity(one) for one in second} == set()
    assert "imagejob-system" not in str([one for one in second if one["kind"] != "PrometheusRule"])
    names = {one["metadata"]["name"] for one in second if one["kind"] in CLUSTER_KINDS}
    assert names == {"blue-operator", "blue-edit", "blue-view", "blue-leader-election"}
    for one in second:
        if one["kind"] == "ClusterRoleBinding":
            assert one["roleRef"]["name"] == "blue-operator"
        if one["kind"] == "RoleBinding":
            assert one["roleRef"] == {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "imagejob-operator",
            }


def test_a_value_of_a_pod_is_in_the_deployment() -> None:
    given: dict[str, Any] = {
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "images", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }
    objects = chart_objects(values(STORE, credentialsSecret="mine", image={"tag": "9"}, **given))
    pod = one_of(objects, "Deployment")["spec"]["template"]["spec"]
    assert {name: pod[name] for name in given} == given
    assert pod["volumes"][0]["secret"]["secretName"] == "mine"
    assert pod["containers"][0]["image"] == "registry.example.com/imagejob-operator:9"
    hook = one_of(objects, "Job")["spec"]["template"]["spec"]
    assert hook["imagePullSecrets"] == given["imagePullSecrets"]
    assert hook["tolerations"] == given["tolerations"]


def test_a_config_map_can_be_mounted_beside_the_credentials() -> None:
    volume = {"name": "ca", "configMap": {"name": "store-authority"}}
    mount = {"name": "ca", "mountPath": "/etc/imagejob/ca", "readOnly": True}
    objects = chart_objects(values(STORE, volumes=[volume], volumeMounts=[mount]))
    before = one_of(default(), "Deployment")["spec"]["template"]["spec"]
    pod = one_of(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["volumes"] == [*before["volumes"], volume]
    assert pod["containers"][0]["volumeMounts"] == [*before["containers"][0]["volumeMounts"], mount]
    for one in (pod, before):
        del one["volumes"], one["containers"][0]["volumeMounts"]
    assert pod == before
    changed = {text.partition(":")[0] for text in differences(objects, default())}
    assert changed == {"Deployment/imagejob-system/imagejob-operator"}


def test_the_hook_can_be_left_out() -> None:
    objects = chart_objects(values(STORE, uninstall={"enabled": False}))
    assert not [one for one in objects if one["kind"] == "Job"]


# --- OpenShift -------------------------------------------------------------------------------------------

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"}
VOLUMES |= {"secret"}
"""What the SecurityContextConstraints restricted-v2 admit."""


def not_restricted_v2(pod: dict[str, Any]) -> list[str]:
    """What restricted-v2 refuses of the spec of a Pod: it chooses users and groups itself."""
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers") if pod.get(name)]
    found += [f"volume {v['name']}" for v in pod.get("volumes", []) if not VOLUMES & v.keys()]
    contexts = [("pod", pod.get("securityContext", {}))]
    for one in (*pod["containers"], *pod.get("initContainers", [])):
        context = one.get("securityContext", {})
        contexts.append((one["name"], context))
        if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
            found.append(f"{one['name']}: privileges")
        capabilities = context.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
            found.append(f"{one['name']}: capabilities")
        found += [f"{one['name']}: hostPort" for port in one.get("ports", []) if port.get("hostPort")]
    fixed = ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions")
    found += [f"{where}: {name}" for where, context in contexts for name in fixed if name in context]
    if pod.get("securityContext", {}).get("seccompProfile") != {"type": "RuntimeDefault"}:
        found.append("seccompProfile")
    return found


def pods(objects: list[Object]) -> list[dict[str, Any]]:
    """The specs of all Pods of a rendering."""
    specs = [one["spec"] for one in objects if one["kind"] == "Pod"]
    return specs + [
        one["spec"]["template"]["spec"] for one in objects if one["kind"] in ("Deployment", "Job")
    ]


def test_every_pod_is_admitted_by_restricted_v2() -> None:
    found = pods(chart_objects(values(STORE), [PRODUCTION]))
    assert len(found) == 3
    assert [not_restricted_v2(pod) for pod in found] == [[], [], []]


PLANTED = {
    "securityContext.runAsUser": (65532, "pod: runAsUser"),
    "securityContext.fsGroup": (65532, "pod: fsGroup"),
    "securityContext.seccompProfile": ({"type": "Unconfined"}, "seccompProfile"),
    "hostNetwork": (True, "hostNetwork"),
    "volumes": ([{"name": "node", "hostPath": {"path": "/"}}], "volume node"),
}


@pytest.mark.parametrize("path", PLANTED)
def test_what_restricted_v2_refuses_is_found(path: str) -> None:
    (pod, *_) = pods(default())
    planted = copy.deepcopy(pod)
    *above, last = path.split(".")
    place = planted[above[0]] if above else planted
    place[last], text = PLANTED[path]
    assert not_restricted_v2(planted) == [text]


def test_a_container_with_privileges_is_found() -> None:
    (pod, *_) = pods(default())
    del pod["containers"][0]["securityContext"]
    name = pod["containers"][0]["name"]
    assert not_restricted_v2(pod) == [f"{name}: privileges", f"{name}: capabilities"]


def test_a_template_that_does_not_render_is_found(tmp_path: Path) -> None:
    copied = shutil.copytree(chart.chart_folder(), tmp_path / "imagejob")
    (copied / "templates" / "broken.yaml").write_text("{{ .Values.nothing.here }}\n")
    with pytest.raises(ClusterError, match="nil pointer"):
        chart_objects(values(STORE), chart=copied)
