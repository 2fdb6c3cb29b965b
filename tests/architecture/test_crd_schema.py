"""The CRD describes every field, says what the code says, and each of its constraints has a case."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from msgspec import inspect

from architecture import crd_walk
from cluster.crd_cases import CASES, CLASS_STAYS, FREE, NEEDS_NEW_RUN, NEVER, RUN_ID_ASKED, changed
from imagejob_contract.result import MAX_MESSAGE_CHARACTERS
from imagejob_operator.api import errors as errors
from imagejob_operator.api import status
from imagejob_operator.api.spec import Spec
from imagejob_operator.naming.names import GROUP, KIND, PLURAL, VERSION
from imagejob_operator.validation import pod_template

POD_TEMPLATE = "spec.execution.podTemplate"
TRANSITION = [("spec", RUN_ID_ASKED), ("spec", CLASS_STAYS)]


@pytest.fixture
def crd() -> dict[str, Any]:
    return crd_walk.load()


@pytest.fixture
def schema(crd: dict[str, Any]) -> dict[str, Any]:
    return crd_walk.schema_of(crd)


def part(schema: dict[str, Any], path: str) -> dict[str, Any]:
    return dict(crd_walk.walk(schema))[path]


def test_names_are_those_of_the_code(crd: dict[str, Any]) -> None:
    (version,) = crd["spec"]["versions"]
    assert crd["metadata"]["name"] == f"{PLURAL}.{GROUP}"
    assert (crd["spec"]["group"], version["name"]) == (GROUP, VERSION)
    assert (crd["spec"]["names"]["kind"], crd["spec"]["names"]["plural"]) == (KIND, PLURAL)


def test_every_field_is_described(schema: dict[str, Any]) -> None:
    assert crd_walk.undescribed(schema) == []


def test_a_field_without_description_is_found(schema: dict[str, Any]) -> None:
    del part(schema, "spec.renditions[].steps[].crop.y")["description"]
    part(schema, "spec.run.id")["description"] = "The id."
    assert crd_walk.undescribed(schema) == ["spec.run.id", "spec.renditions[].steps[].crop.y"]


def test_everything_is_bounded(schema: dict[str, Any]) -> None:
    assert crd_walk.unbounded(schema) == []


def test_an_unbounded_list_map_or_string_is_found(schema: dict[str, Any]) -> None:
    del part(schema, "status.failures")["maxItems"]
    del part(schema, "status.failures")["x-kubernetes-list-type"]
    del part(schema, "status.phase")["maxLength"]
    del part(schema, f"{POD_TEMPLATE}.labels")["maxProperties"]
    assert crd_walk.unbounded(schema) == [
        f"{POD_TEMPLATE}.labels: no maxProperties",
        "status.phase: no maxLength",
        "status.failures: no list type",
        "status.failures: no maxItems",
    ]


def test_status_has_no_enums(schema: dict[str, Any]) -> None:
    assert crd_walk.enums(schema["properties"]["status"]) == []
    assert crd_walk.enums(schema["properties"]["spec"]) != []


def test_an_unseen_status_is_no_healthy_one(schema: dict[str, Any]) -> None:
    assert schema["properties"]["status"]["default"] == {"observedGeneration": -1}


# --- schema and code ------------------------------------------------------------------------------------


def spec_difference(schema: dict[str, Any]) -> list[str]:
    return crd_walk.difference(schema["properties"]["spec"], inspect.type_info(Spec), "spec")


def test_the_code_reads_what_the_crd_accepts(schema: dict[str, Any]) -> None:
    assert spec_difference(schema) == []


@pytest.mark.parametrize(
    ("path", "change", "found"),
    [
        (
            "spec.run",
            {"properties": {"id": {}, "mode": {}, "items": {}, "suspend": {}}},
            "spec.run.suspend: in",
        ),
        ("spec.limits", {"properties": {}}, "spec.limits.frames: in the code, not in the CRD"),
        ("spec.run.id", {"default": "2"}, "spec.run.id: default 2 in the CRD, 1 in the code"),
        ("spec.run.id", {"maxLength": 64}, "spec.run.id: maxLength 64 in the CRD, 63 in the code"),
        (
            "spec.limits.frames",
            {"minimum": None},
            "spec.limits.frames: minimum None in the CRD, 1 in the code",
        ),
        (
            "spec.retention.policy",
            {"enum": ["Compact"]},
            "spec.retention.policy: enum ['Compact'] in the CRD",
        ),
        ("spec.failurePolicy.maxFailedItems", {"pattern": "%"}, "spec.failurePolicy.maxFailedItems: pattern"),
        ("spec.renditions[]", {"required": ["name"]}, "spec.renditions[].output: required True in the code"),
        ("spec.source.keys", {"maxItems": 9}, "spec.source.keys: maxItems 9 in the CRD, 1000 in the code"),
        (
            "spec.renditions[].output.metadata",
            {"description": "metadata is what to keep. Strip keeps none."},
            "spec.renditions[].output.metadata: the description does not name the default Strip",
        ),
    ],
)
def test_a_difference_is_found(schema: dict[str, Any], path: str, change: dict[str, Any], found: str) -> None:
    part(schema, path).update(change)
    findings = spec_difference(schema)
    assert [finding for finding in findings if finding.startswith(found)], findings


def test_pod_template_is_what_the_code_checks(schema: dict[str, Any]) -> None:
    template = part(schema, POD_TEMPLATE)["properties"]
    assert set(template) == set(pod_template.FIELDS)
    for rule_of in ("labels", "annotations"):
        (rule,) = template[rule_of]["x-kubernetes-validations"]
        for key in (*pod_template.OPERATOR_KEY_PREFIXES, *pod_template.OPERATOR_KEYS):
            assert f"'{key}'" in rule["rule"]


def test_the_code_writes_what_the_crd_describes(schema: dict[str, Any]) -> None:
    assert crd_walk.status_difference(schema["properties"]["status"], status.Status) == []


def test_a_status_field_that_is_never_written_is_found(schema: dict[str, Any]) -> None:
    node = schema["properties"]["status"]["properties"]
    node["forecast"] = {"type": "array"}
    node["error"]["properties"]["retriable"]["type"] = "string"
    del node["run"]["properties"]["shards"]["properties"]["total"]
    assert sorted(crd_walk.status_difference(schema["properties"]["status"], status.Status)) == [
        "status.error.retriable: string in the CRD, bool in the code",
        "status.forecast: in the CRD, not written",
        "status.run.shards.total: written, not in the CRD",
    ]


def test_status_limits_are_those_of_the_code(schema: dict[str, Any]) -> None:
    assert part(schema, "status.failures")["maxItems"] == status.MAX_FAILURES
    assert part(schema, "status.history")["maxItems"] == status.MAX_HISTORY
    assert part(schema, "status.failures[].message")["maxLength"] == MAX_MESSAGE_CHARACTERS
    for path in ("status.error.message", "status.conditions[].message"):
        assert part(schema, path)["maxLength"] == errors.MAX_MESSAGE


# --- constraints and their cases ------------------------------------------------------------------------


def test_every_constraint_has_its_case(schema: dict[str, Any]) -> None:
    assert crd_walk.uncovered(schema, CASES, TRANSITION) == []


def test_a_constraint_without_a_case_is_found(schema: dict[str, Any]) -> None:
    part(schema, "spec.source.match.prefix")["pattern"] = "^a"
    part(schema, "status.error")["required"].append("fault")
    part(schema, "spec.limits.frames")["maximum"] = 9
    new = {"rule": "true", "message": "something new"}
    part(schema, "spec.destination")["x-kubernetes-validations"] = [new]
    assert crd_walk.uncovered(schema, CASES, TRANSITION) == [
        "spec.destination:rule: no case for something new",
        "spec.limits.frames:maximum: does not stand at the limit 9",
        "spec.source.match.prefix:pattern: no case for ^a",
        "status.error.fault:required: no case for None",
    ]


def test_a_case_without_a_constraint_is_found(schema: dict[str, Any]) -> None:
    del part(schema, "spec.run.id")["maxLength"]
    del part(schema, "spec.source")["x-kubernetes-validations"]
    assert crd_walk.uncovered(schema, CASES, TRANSITION) == [
        "spec.run.id:maxLength: speaks of 0 constraints",
        "spec.source:rule:exactly one of keys, match, list, urls and inline: speaks of 0 constraints",
    ]


def test_every_rule_says_what_to_do(schema: dict[str, Any]) -> None:
    rules = [r for _, node in crd_walk.walk(schema) for r in node.get("x-kubernetes-validations", ())]
    assert rules
    for rule in rules:
        assert len(rule["message"]) >= 60, rule["message"]


def transition_rule(schema: dict[str, Any]) -> str:
    (rule,) = [
        r["rule"] for r in part(schema, "spec")["x-kubernetes-validations"] if RUN_ID_ASKED in r["message"]
    ]
    return str(rule)


def test_only_these_fields_change_without_a_new_run(schema: dict[str, Any]) -> None:
    free = crd_walk.fields_free_to_change(transition_rule(schema), part(schema, "spec")) - {"class"}
    assert free == {"run", "cancelRunID", "suspend", "retention", "execution.parallelism"}


def test_a_field_that_the_transition_rule_forgets_is_found(schema: dict[str, Any]) -> None:
    spec = copy.deepcopy(part(schema, "spec"))
    spec["properties"]["forgotten"] = {}
    spec["properties"]["execution"]["properties"]["forgotten"] = {}
    free = crd_walk.fields_free_to_change(transition_rule(schema), spec)
    assert {"forgotten", "execution.forgotten"} <= free


def test_every_field_has_a_change_that_is_tried(schema: dict[str, Any]) -> None:
    spec = part(schema, "spec")
    free = crd_walk.fields_free_to_change(transition_rule(schema), spec) - {"class"}
    bound = crd_walk.fields_free_to_change("", spec) - free - {"class"}
    for fields, changes in ((bound, NEEDS_NEW_RUN), (free, FREE), ({"class"}, NEVER)):
        tried = {path for change in changes for path, _ in (*change.old, *change.new)}
        missing = {
            name for name in fields if not any(f"{path}.".startswith(f"spec.{name}") for path in tried)
        }
        assert missing == set()


def test_cases_leave_the_base_as_it_is() -> None:
    base = {"spec": {"a": [1]}}
    assert changed(base, ("spec.a[0]", 2), ("spec.b{c}", 3)) == {"spec": {"a": [2], "b": {"c": 3}}}
    assert base == {"spec": {"a": [1]}}
