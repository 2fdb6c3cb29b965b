"""What msgspec rejects is explained with the field, the rule and the value."""

from __future__ import annotations

import enum
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from imagejob_contract.wire import Wire
from imagejob_operator.validation.schema_errors import explain


class Form(enum.StrEnum):
    JPEG = "JPEG"
    SAME = "Same"


class Part(Wire, frozen=True):
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    name: Annotated[str, Meta(min_length=2, max_length=64, pattern=r"^[a-z]+\Z")] = "aa"
    size: int | str = 1
    mode: Literal["A", "B"] = "A"
    form: Form | None = None
    turn: Literal[90, 180] = 90


class Whole(Wire, frozen=True):
    parts: Annotated[tuple[Part, ...], Meta(max_length=2)]
    labels: Annotated[dict[str, str], Meta(max_length=1)] = msgspec.field(default_factory=dict)
    on: bool = False
    named: dict[str, Part] = msgspec.field(default_factory=dict)


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ([], "spec: must be of type object, found list"),
        ({}, "spec: the required field 'parts' is missing"),
        ({"parts": [], "x": 1}, "spec: unknown field 'x'; remove it"),
        ({"parts": [{}, {"x": 1}]}, "spec.parts[1]: unknown field 'x'; remove it"),
        ({"parts": [{}] * 3}, "spec.parts: must have at most 2 items, found 3"),
        ({"parts": [{"count": 0}]}, "spec.parts[0].count: must be at least 1, found 0"),
        ({"parts": [{}, {"count": 10}]}, "spec.parts[1].count: must be at most 9, found 10"),
        ({"parts": [{"count": "1"}]}, "spec.parts[0].count: must be of type integer, found string"),
        ({"parts": [{"size": None}]}, "spec.parts[0].size: must be of type integer or string, found null"),
        ({"parts": [{"name": "a"}]}, "spec.parts[0].name: must have at least 2 characters, found 1"),
        ({"parts": [{"name": ""}]}, "spec.parts[0].name: must not be empty"),
        ({"parts": [{"name": "A\nb"}]}, r"spec.parts[0].name: 'A\nb' must match the pattern ^[a-z]+$"),
        (
            {"parts": [{"name": "X" * 64}]},
            f"spec.parts[0].name: '{'X' * 60}' must match the pattern ^[a-z]+$",
        ),
        ({"parts": [{"mode": "C"}]}, "spec.parts[0].mode: 'C' is not one of A, B"),
        (
            {"parts": [{"form": "jpg"}]},
            "spec.parts[0].form: 'jpg' is not one of JPEG, Same; did you mean JPEG?",
        ),
        ({"parts": [{"turn": 80}]}, "spec.parts[0].turn: 80 is not one of 90, 180; did you mean 180?"),
        ({"parts": [], "Labels": {}}, "spec: unknown field 'Labels'; did you mean 'labels'?"),
        ({"parts": [{"nmae": "aa"}]}, "spec.parts[0]: unknown field 'nmae'; did you mean 'name'?"),
        ({"named": {"a": {"siz": 1}}}, "spec.named: unknown field 'siz'; did you mean 'size'?"),
        ({"parts": [{"count" * 20: 1}]}, f"spec.parts[0]: unknown field '{'count' * 20}'; remove it"),
        ({"parts": [], "on": "yes"}, "spec.on: must be of type boolean, found string"),
        ({"parts": [], "labels": {"a": "b", "c": "d"}}, "spec.labels: must have at most 1 entries, found 2"),
        ({"parts": [], "labels": {"a": 1}}, "spec.labels: must be of type string, found integer"),
    ],
)
def test_field_rule_and_value_are_named(raw: object, wanted: str) -> None:
    with pytest.raises(msgspec.ValidationError) as rejected:
        msgspec.convert(raw, Whole)
    assert explain(rejected.value, raw, "spec", Whole) == wanted
