"""The chart, the kustomize bases and install.yaml give the same objects."""

from __future__ import annotations

import copy
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from distribution.chart import version
from distribution.install_yaml import install_objects, install_yaml
from distribution.rendering import Object, chart_objects, differences, documents, identity, kustomize_objects
from helm.renderings import (
    MANIFESTS,
    OF_HELM,
    PRODUCTION,
    STORE,
    config_map,
    one_of,
    settings_of,
    shared_by_helm,
    shared_by_kustomize,
    values,
)
from localcluster.paths import repository

pytestmark = pytest.mark.timeout(600)


@cache
def _rendered() -> list[Object]:
    return install_objects()


def base() -> list[Object]:
    return shared_by_kustomize(_rendered())


def test_the_default_values_are_the_base() -> None:
    chart = shared_by_helm(chart_objects(values(STORE)))
    assert differences(chart, [*base(), config_map(STORE)]) == []


def test_the_production_values_are_the_production_overlay() -> None:
    overlay = kustomize_objects(MANIFESTS / "overlays" / "production")
    chart = chart_objects(values(settings_of(overlay)), [PRODUCTION])
    assert differences(shared_by_helm(chart), shared_by_kustomize(overlay)) == []


def test_listed_namespaces_are_the_namespaced_overlay_and_its_access() -> None:
    overlay = kustomize_objects(MANIFESTS / "overlays" / "namespaced")
    (binding,) = kustomize_objects(MANIFESTS / "access")
    settings = settings_of(overlay)
    binding["metadata"]["namespace"] = settings["IMAGEJOB_WATCH_NAMESPACES"]
    chart = chart_objects(values(settings))
    assert differences(shared_by_helm(chart), [*shared_by_kustomize(overlay), binding]) == []


def test_monitoring_is_the_component() -> None:
    component = kustomize_objects(MANIFESTS / "monitoring")
    for one in component:
        one["metadata"]["namespace"] = "imagejob-system"
        one["metadata"]["labels"]["release"] = "prometheus"
    monitoring = {"enabled": True, "labels": {"release": "prometheus"}}
    chart = shared_by_helm(chart_objects(values(STORE, monitoring=monitoring)))
    assert differences(chart, [*base(), config_map(STORE), *component]) == []


def _snippets(page: str, heading: str) -> list[Any]:
    """The YAML below a heading of a page for administrators."""
    text = (repository() / "docs" / "administrators" / page).read_text()
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [yaml.safe_load(found) for found in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


def _by_name(objects: list[Object]) -> list[Object]:
    """Objects whose Deployment has its volumes in the order of their names: kustomize puts new ones first."""
    pod = one_of(objects, "Deployment")["spec"]["template"]["spec"]
    for one in (pod["volumes"], pod["containers"][0]["volumeMounts"]):
        one.sort(key=lambda found: found["name"])
    return objects


def test_a_private_authority_is_mounted_alike_by_both_examples(tmp_path: Path) -> None:
    helm, patches, _ = _snippets("platforms.md", "Private certificate authority")
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": [os.path.relpath(MANIFESTS / "base", tmp_path)], **patches})
    )
    overlay = shared_by_kustomize(kustomize_objects(tmp_path))
    settings = {**STORE, **helm.pop("settings")}
    chart = shared_by_helm(chart_objects(values(settings, **helm)))
    image = one_of(overlay, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    image["image"] = one_of(chart, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert differences(_by_name(chart), _by_name([*overlay, config_map(settings)])) == []
    pod = one_of(chart, "Deployment")["spec"]["template"]["spec"]
    assert _file_is_mounted(pod, settings["IMAGEJOB_STORE_CA_FILE"])


def test_the_example_of_the_event_sink_mounts_the_file_of_the_token() -> None:
    (helm,) = _snippets("configuration.md", "Notifications")
    settings = {**STORE, **helm.pop("settings")}
    pod = one_of(chart_objects(values(settings, **helm)), "Deployment")["spec"]["template"]["spec"]
    assert _file_is_mounted(pod, settings["IMAGEJOB_EVENT_SINK_TOKEN_FILE"])
    assert not _file_is_mounted(pod, "/etc/imagejob/other/token")


def _file_is_mounted(pod: dict[str, Any], file: str) -> bool:
    names = {volume["name"] for volume in pod["volumes"]}
    mounts = pod["containers"][0]["volumeMounts"]
    return any(m["mountPath"] == str(Path(file).parent) and m["name"] in names for m in mounts)


def test_install_yaml_is_the_base_with_the_image_of_this_version() -> None:
    written = documents(install_yaml("registry.test/shop"))
    image = f"registry.test/shop/imagejob-operator:{version()}"
    assert differences(written, kustomize_objects(MANIFESTS / "base")) == [
        "Deployment/imagejob-system/imagejob-operator: spec.template.spec.containers[0].image: "
        f"{image!r} is not 'imagejob-operator'"
    ]


def test_what_only_helm_has() -> None:
    chart = chart_objects(values({**STORE, "IMAGEJOB_INSTALLATION": "blue"}))
    shared = {identity(one) for one in shared_by_helm(chart)}
    assert {identity(one) for one in chart} - shared == {
        "Lease/imagejob-system/imagejob-blue",
        *(name.format(ns="imagejob-system") for name in OF_HELM),
    }


# --- planted bugs ------------------------------------------------------------------------------------------


def _without(objects: list[Object], kind: str) -> list[Object]:
    return [one for one in objects if one["kind"] != kind]


def _changed(objects: list[Object], kind: str, path: str, value: Any) -> list[Object]:
    planted = copy.deepcopy(objects)
    place: Any = one_of(planted, kind)
    *above, last = path.split(".")
    for name in above:
        place = place[int(name)] if name.isdigit() else place[name]
    place[last] = value
    return planted


PORT = "spec.ingress.0.ports.0.port"
PLANTED = {
    "an object that is missing": (lambda o: _without(o, "Service"), "Service/imagejob-system/"),
    "a value that differs": (
        lambda o: _changed(o, "NetworkPolicy", PORT, 9090),
        "ports[0].port: 8080 is not",
    ),
    "a field too many": (
        lambda o: _changed(o, "Deployment", "spec.template.spec.hostNetwork", True),
        "hostNetwork: None is not True",
    ),
    "another number of items": (lambda o: _changed(o, "Role", "rules", []), "rules: [{"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_difference_is_found(name: str) -> None:
    plant, text = PLANTED[name]
    (found,) = differences(base(), plant(base()))
    assert text in found


def test_install_yaml_can_be_read_by_people() -> None:
    text = install_yaml()
    assert text.startswith("# The ImageJob operator")
    kinds = [one["kind"] for one in yaml.safe_load_all(text)]
    assert kinds[:3] == ["Namespace", "CustomResourceDefinition", "CustomResourceDefinition"]
