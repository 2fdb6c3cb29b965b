"""The CRD of ImageStores is described, bounded and covered, and says what the code says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import inspect

from architecture import crd_walk
from cluster.crd_cases import Case, changed
from cluster.store_cases import FIXED, LOCATION, SPEC, STATUS
from imagejob_operator.api.errors import MAX_MESSAGE
from imagejob_operator.api.imagestore import InvalidStore, StoreSpec, StoreStatus, parse_store_spec
from imagejob_operator.naming.names import GROUP, STORE_KIND, STORE_PLURAL, VERSION

ROOT = Path(__file__).parents[2]
TRANSITION = [("spec", FIXED)]
EXAMPLES = [
    body
    for folder in ("examples", "manifests/tenant")
    for path in sorted((ROOT / folder).glob("*.yaml"))
    for body in yaml.safe_load_all(path.read_text())
    if body and body["kind"] == STORE_KIND
]


@pytest.fixture
def crd() -> dict[str, Any]:
    return crd_walk.load(ROOT / "crds" / "imagestore.yaml")


@pytest.fixture
def schema(crd: dict[str, Any]) -> dict[str, Any]:
    return crd_walk.schema_of(crd)


def test_names_are_those_of_the_code(crd: dict[str, Any]) -> None:
    (version,) = crd["spec"]["versions"]
    assert crd["metadata"]["name"] == f"{STORE_PLURAL}.{GROUP}"
    assert (crd["spec"]["group"], version["name"]) == (GROUP, VERSION)
    assert (crd["spec"]["names"]["kind"], crd["spec"]["names"]["plural"]) == (STORE_KIND, STORE_PLURAL)


def test_every_field_is_described_and_bounded(schema: dict[str, Any]) -> None:
    assert crd_walk.undescribed(schema) == []
    assert crd_walk.unbounded(schema) == []
    assert crd_walk.enums(schema["properties"]["status"]) == []
    assert schema["properties"]["status"]["default"] == {"observedGeneration": -1}


def test_schema_and_code_agree(schema: dict[str, Any]) -> None:
    assert crd_walk.difference(schema["properties"]["spec"], inspect.type_info(StoreSpec), "spec") == []
    assert crd_walk.status_difference(schema["properties"]["status"], StoreStatus) == []
    parts = dict(crd_walk.walk(schema))
    assert parts["status.conditions[].message"]["maxLength"] == MAX_MESSAGE


def test_every_constraint_has_its_case(schema: dict[str, Any]) -> None:
    assert crd_walk.uncovered(schema, [*SPEC, *STATUS], TRANSITION) == []


def test_every_rule_says_what_to_do(schema: dict[str, Any]) -> None:
    rules = [r for _, node in crd_walk.walk(schema) for r in node.get("x-kubernetes-validations", ())]
    assert [r["message"] for r in rules if len(r["message"]) < 60] == []


def test_all_of_the_location_is_tried(schema: dict[str, Any]) -> None:
    free = {"auth", "tls", "presign"}
    fields = set(schema["properties"]["spec"]["properties"]) - free
    assert {change.old[0][0].removeprefix("spec.") for change in LOCATION} == fields


@pytest.mark.parametrize("case", [case for case in SPEC if case.path.startswith("spec.")], ids=str)
def test_core_agrees_with_the_crd(case: Case) -> None:
    for value in case.refused:
        with pytest.raises(InvalidStore):
            parse_store_spec(changed(case.base, (case.path, value))["spec"])
    for value in case.accepted:
        parse_store_spec(changed(case.base, (case.path, value))["spec"])


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: body["metadata"]["name"])
def test_example_is_accepted(body: dict[str, Any]) -> None:
    parse_store_spec(body["spec"])
