"""A stricter CRD after an upgrade: what is stored stays, and can be ended; what is bad cannot get worse.

Under a group of its own, so that neither other tests nor an operator see it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client

from cluster.conftest import CRDS, PLURAL, VERSION
from cluster.crd_cases import KEYS, changed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

GROUP = "lifecycle.imagejob.dev"
LIMITS = {
    "minLength", "maxLength", "pattern", "enum", "minimum", "maximum", "minItems", "maxItems",
    "maxProperties", "x-kubernetes-validations",
}  # fmt: skip
FINALIZER = "imagejob.dev/staging"


def shipped() -> dict[str, Any]:
    """The CRD as it is, in this test's group."""
    crd: dict[str, Any] = yaml.safe_load((CRDS / "imagejob.yaml").read_text())
    crd["metadata"]["name"] = f"{PLURAL}.{GROUP}"
    crd["spec"]["group"] = GROUP
    crd["spec"]["names"].pop("shortNames", None)
    crd["spec"]["names"].pop("categories", None)
    return crd


def laxer(crd: dict[str, Any]) -> dict[str, Any]:
    """An older version of it: the same shapes, and no limits on any value."""
    old = copy.deepcopy(crd)
    for version in old["spec"]["versions"]:
        version["schema"]["openAPIV3Schema"] = _without_limits(version["schema"]["openAPIV3Schema"])
    return old


def _without_limits(schema: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in schema.items() if name not in LIMITS}
    for name in ("properties", "items", "additionalProperties"):
        inner = plain.get(name)
        if name == "properties" and inner:
            plain[name] = {field: _without_limits(below) for field, below in inner.items()}
        elif isinstance(inner, dict):
            plain[name] = _without_limits(inner)
    return plain


def limits_in(schema: dict[str, Any]) -> set[str]:
    """The kinds of limits that stand anywhere in a schema."""
    below = [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return set(schema) & LIMITS | {
        limit for inner in below if isinstance(inner, dict) for limit in limits_in(inner)
    }


BAD: dict[str, tuple[str, Any, Any, Any]] = {
    # name: (path, a value that was admitted, another bad one, a good one)
    "maximum": ("spec.execution.parallelism", 1000, 2000, 5),
    "enum": ("spec.destination.overwrite", "Sometimes", "Seldom", "Always"),
    "pattern": ("spec.renditions[0].name", "Web!", "Thumb!", "web"),
    "length": ("spec.source.keys", ["k" * 600], ["k" * 700], ["uploads/b.jpg"]),
    "rule-on-a-field": ("spec.destination.prefix", "../other/", "../another/", "other/"),
}
BELOW = ("spec.source", {"match": {"prefix": "uploads/"}}), ("spec.destination.prefix", "uploads/out/")
"""Breaks the rule on the spec as a whole: outputs would become sources."""
LONG = "n" * 60
"""Breaks a rule on the root of the object."""


class Objects:
    """ImageJobs of this test's group in one namespace."""

    def __init__(self, cluster: Any, namespace: str) -> None:
        self._api = cluster.objects
        self._where = (GROUP, VERSION, namespace, PLURAL)

    def create(self, name: str, *changes: tuple[str, Any]) -> None:
        body = changed(KEYS, ("metadata.name", name), ("apiVersion", f"{GROUP}/{VERSION}"), *changes)
        self._api.create_namespaced_custom_object(*self._where, body)

    def get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._api.get_namespaced_custom_object(*self._where, name)
        return found

    def change(self, name: str, *changes: tuple[str, Any]) -> str:
        """What the API server says to an update; empty if it takes it."""
        return self._refusal(
            self._api.replace_namespaced_custom_object, name, changed(self.get(name), *changes)
        )

    def say(self, name: str, status: dict[str, Any]) -> str:
        body = {**self.get(name), "status": status}
        return self._refusal(self._api.replace_namespaced_custom_object_status, name, body)

    def delete(self, name: str) -> None:
        self._api.delete_namespaced_custom_object(*self._where, name)

    def there(self, name: str) -> bool:
        try:
            self.get(name)
        except client.ApiException as error:
            if error.status != 404:
                raise
            return False
        return True

    def _refusal(self, call: Any, name: str, body: dict[str, Any]) -> str:
        try:
            call(*self._where, name, body)
        except client.ApiException as error:
            if error.status != 422:
                raise
            return str(error.body)
        return ""


@pytest.fixture(scope="module")
def upgraded(cluster: Any, namespace: str) -> Iterator[Objects]:
    """Objects that were stored under the older schema, and are there under the shipped one."""
    definitions = client.ApiextensionsV1Api(cluster.api)
    new = shipped()

    def apply(crd: dict[str, Any]) -> None:
        path = CRDS.parent / "out"
        path.mkdir(exist_ok=True)
        file = path / "lifecycle.json"
        file.write_text(json.dumps(crd))
        done = cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(file))
        assert done.returncode == 0, done.stderr
        cluster.await_established(f"crd/{new['metadata']['name']}")
        file.unlink()

    apply(laxer(new))
    try:
        objects = Objects(cluster, namespace)
        for name, (path, value, _, _) in BAD.items():
            objects.create(name, (path, value))
        objects.create("below", *BELOW)
        objects.create(LONG)
        apply(new)
        _await_upgrade(objects)
        yield objects
    finally:
        definitions.delete_custom_resource_definition(new["metadata"]["name"])


def _await_upgrade(objects: Objects) -> None:
    """The API server takes a new schema into use a moment after it took it."""
    for number in range(200):
        name = f"probe-{number}"
        try:
            objects.create(name, ("spec.execution.parallelism", 1000))
        except client.ApiException as error:
            if error.status != 422:
                raise
            return
        objects.delete(name)
    raise AssertionError("the new schema was never taken into use")


STATUS = {"observedGeneration": 1, "phase": "Failed", "run": {"id": "1", "number": 1}}


@pytest.mark.parametrize("name", [*BAD, "below"])
def test_what_was_stored_can_be_ended(upgraded: Objects, name: str) -> None:
    """Finalizer, status and release: all that the operator needs to end a job and let it go."""
    assert upgraded.change(name, ("metadata.finalizers", [FINALIZER])) == ""
    assert upgraded.say(name, STATUS) == ""
    assert upgraded.change(name, ("metadata.labels", {"seen": "yes"})) == ""
    assert upgraded.change(name, ("metadata.finalizers", [])) == ""
    assert upgraded.get(name)["status"]["phase"] == "Failed"


@pytest.mark.parametrize(("name", "path", "worse", "good"), [(n, p, w, g) for n, (p, _, w, g) in BAD.items()])
def test_what_is_bad_may_stay_but_not_change(
    upgraded: Objects, name: str, path: str, worse: Any, good: Any
) -> None:
    assert upgraded.change(name, ("spec.suspend", True)) == "", "an unchanged field may stay as it is"
    message = upgraded.change(name, (path, worse), ("spec.run", {"id": "2"}))
    assert path.split("[")[0].rsplit(".", 1)[-1] in message
    assert upgraded.change(name, (path, good), ("spec.run", {"id": "2"})) == ""


def test_a_rule_on_the_whole_spec_is_judged_with_every_change_of_it(upgraded: Objects) -> None:
    assert "the outputs would become sources" in upgraded.change("below", ("spec.suspend", True))
    assert upgraded.change("below", ("spec.destination.prefix", "out/"), ("spec.run", {"id": "2"})) == ""


def test_a_rule_on_the_root_is_judged_with_every_write(upgraded: Objects) -> None:
    """Why there must never be another one: an object that breaks it gets neither a finalizer nor a status."""
    for message in (
        upgraded.change(LONG, ("metadata.finalizers", [FINALIZER])),
        upgraded.say(LONG, STATUS),
    ):
        assert "at most 52 characters" in message
    upgraded.delete(LONG)
    assert not upgraded.there(LONG)


def test_no_rule_on_the_root_has_come_since_the_first_version() -> None:
    (version,) = shipped()["spec"]["versions"]
    rules = [rule["rule"] for rule in version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]]
    assert rules == ["self.metadata.name.size() <= 52", "!self.metadata.name.contains('.')"]


def test_the_older_schema_is_laxer_and_of_the_same_shape() -> None:
    (new,), (old,) = shipped()["spec"]["versions"], laxer(shipped())["spec"]["versions"]
    assert limits_in(new["schema"]["openAPIV3Schema"]) == LIMITS
    assert limits_in(old["schema"]["openAPIV3Schema"]) == set()
    fields = new["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].keys()
    assert old["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"].keys() == fields
