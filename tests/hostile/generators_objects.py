"""Objects that the CRDs admit, made from their OpenAPI schemas, and objects that they would not.

CEL rules are not evaluated, except that exactly one member is set where a schema asks for that. So an API
server refuses some of the objects; the operator must survive those too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from fakes.build import PREFIX, SPEC, UID, status
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import status_body

CRDS = Path(__file__).parents[2] / "crds"
Schema = dict[str, Any]
Values = st.SearchStrategy[Any]

ODD = [
    "",
    "/",
    "..",
    "{stem}",
    "{",
    "1e999",
    "**/" * 80,
    "é" * 300,
    "\x00",
    "\ud7ff",
    "a" * 512,
    "0",
    "-1",
    ".imagejob/",
]
EDGES = [0, -1, 1, 2**31 - 1, 2**31, 2**53, 2**63 - 1, -(2**63)]
TIMES = ["2026-01-01T12:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T12:00:00", "now"]
ONE_OF = ("spec.source", "spec.renditions[].steps[]", "spec.auth")
"""Objects of which a rule demands that exactly one member is set."""

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.sampled_from(EDGES), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def schema_of(kind: str) -> Schema:
    crd = yaml.safe_load((CRDS / f"{kind}.yaml").read_text())
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def admitted(schema: Schema, path: str) -> Values:
    """Values that a schema admits."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.one_of(_integers(schema), _texts(schema))
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.dictionaries(st.text(max_size=5), json_values, max_size=3)
    match schema.get("type"):
        case "integer":
            return _integers(schema)
        case "string":
            return st.sampled_from(TIMES[:3]) if schema.get("format") == "date-time" else _texts(schema)
        case "boolean":
            return st.booleans()
        case "array":
            least = schema.get("minItems", 0)
            most = min(schema["maxItems"], least + 3)
            keys = schema.get("x-kubernetes-list-map-keys")
            unique = (lambda member: tuple(member.get(key) for key in keys)) if keys else None
            return st.lists(
                admitted(schema["items"], f"{path}[]"), min_size=least, max_size=most, unique_by=unique
            )
        case _:
            return _objects(schema, path)


def refused(schema: Schema, value: Any, path: str) -> Iterator[str]:
    """What an API server would not admit of a value of the right types: too long, too many, too large."""
    match value:
        case dict():
            for name, below in value.items():
                yield from refused(schema["properties"][name], below, f"{path}.{name}")
        case list():
            if len(value) > schema["maxItems"]:
                yield f"{path} has {len(value)} items"
            for below in value:
                yield from refused(schema["items"], below, f"{path}[]")
        case str() if len(value) > schema.get("maxLength", len(value)):
            yield f"{path} has {len(value)} characters"
        case int() if not schema.get("minimum", -(2**63)) <= value < 2**63:
            yield f"{path} is {value}"


def _objects(schema: Schema, path: str) -> Values:
    if "additionalProperties" in schema:
        names = st.sampled_from(["cpu", "memory", "a", "example.com/a", "é", ""])
        return st.dictionaries(names, admitted(schema["additionalProperties"], f"{path}{{}}"), max_size=4)
    fields = {name: admitted(below, f"{path}.{name}") for name, below in schema.get("properties", {}).items()}
    if path in ONE_OF:
        return st.one_of([st.fixed_dictionaries({name: field}) for name, field in fields.items()])
    required = {name: fields.pop(name) for name in schema.get("required", ())}
    return st.fixed_dictionaries(required, optional=fields)


def _integers(schema: Schema) -> Values:
    least, most = schema.get("minimum"), schema.get("maximum")
    if schema.get("format") == "int64":
        return st.one_of(st.integers(0, 3), st.sampled_from(EDGES))
    edges = [n for n in EDGES if (least is None or n >= least) and (most is None or n <= most)]
    bounds = [bound for bound in (least, most) if bound is not None]
    return st.one_of(st.sampled_from([*edges, *bounds]), st.integers(least, most))


def _texts(schema: Schema) -> Values:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 400)
    pattern = schema.get("pattern")
    if pattern is None:
        return st.one_of(
            st.text(min_size=least, max_size=min(most, least + 20)),
            st.sampled_from([text for text in [*ODD, "x" * most] if least <= len(text) <= most]),
        )
    matching = re.compile(pattern.removesuffix("$") + r"\Z")
    short = st.from_regex(matching, fullmatch=False, alphabet=st.characters(codec="ascii"))
    return short.filter(lambda text: least <= len(text) <= most)


def with_fields(base: dict[str, Any], schema: Schema, path: str) -> Values:
    """A valid object, with up to four of its fields replaced by other admitted values."""
    fields = {name: admitted(below, f"{path}.{name}") for name, below in schema["properties"].items()}
    chosen = st.lists(st.sampled_from(sorted(fields)), max_size=4, unique=True)
    replaced = chosen.flatmap(lambda names: st.fixed_dictionaries({name: fields[name] for name in names}))
    return replaced.map(lambda new: {**base, **new})


def metadata(**fields: Any) -> dict[str, Any]:
    given = {"name": "spring", "namespace": "shop", "uid": UID, "resourceVersion": "7", "generation": 3}
    return {**given, "creationTimestamp": "2026-01-01T12:00:00Z", **fields}


_JOB, _STORE = schema_of("imagejob")["properties"], schema_of("imagestore")["properties"]
STORE = {"endpoint": "s3.example:9000", "bucket": "media", "auth": {"secretRef": {"name": "keys"}}}

specs = st.one_of(with_fields(SPEC, _JOB["spec"], "spec"), admitted(_JOB["spec"], "spec"))
any_specs = st.one_of(specs, json_values, st.dictionaries(st.sampled_from(sorted(SPEC)), json_values))


_moments = st.sampled_from([*TIMES, *TIMES[:3]])
_RUN: dict[str, Values] = {
    "number": st.sampled_from([0, 1, 2**50, *EDGES]),
    "epoch": st.integers(0, 2),
    "startedAt": _moments,
    "finishedAt": _moments,
    "queuedSince": _moments,
    "suspendedSeconds": st.sampled_from([0, 2**31, *EDGES]),
    "queuedSeconds": st.sampled_from([0, 2**31, *EDGES]),
    "shards": st.fixed_dictionaries(
        {
            "total": st.sampled_from([0, 1, 2, 1000, 10**9]),
            "attempts": st.sampled_from(
                ["", "0=1", "0-9=1+1,10=3x", "0-999=1", "9-0=1", "0-9999999999=1", "="]
            ),
        }
    ),
}


@st.composite
def statuses(draw: st.DrawFn) -> Any:
    """What an operator of any version, or a user with rights on the status, may have written.

    Most are a valid status with a field or two replaced, so that decisions are made of them.
    """
    # A job that is not deleted is not Deleting.
    phases = [phase for phase in Phase if phase is not Phase.DELETING]
    found: dict[str, Any] = status_body(status(draw(st.sampled_from(phases))))
    names = st.lists(st.sampled_from(sorted(_RUN)), max_size=2, unique=True)
    found["run"] = {**found.get("run", {}), **{name: draw(_RUN[name]) for name in draw(names)}}
    if draw(st.integers(0, 2)) == 0:
        found["phaseSince"] = draw(_moments)
    if draw(st.integers(0, 3)) == 0:
        found["staging"] = {"prefix": draw(st.sampled_from([PREFIX, "", "/", "../"]))}
    if draw(st.integers(0, 3)) == 0:
        found = draw(with_fields(found, _JOB["status"], "status"))
    return found


any_statuses = st.one_of(st.none(), statuses(), json_values)
stores = st.one_of(with_fields(STORE, _STORE["spec"], "spec"), admitted(_STORE["spec"], "spec"), json_values)
store_statuses = st.one_of(admitted(_STORE["status"], "status"), json_values)

_words = st.sampled_from(
    ["", "Failed", "Succeeded", "Running", "Pending", "False", "OOMKilled", "Evicted", "é" * 999]
)
_state = st.dictionaries(
    st.sampled_from(["waiting", "terminated", "running"]),
    st.fixed_dictionaries(
        {},
        optional={
            "reason": _words,
            "message": st.one_of(_words, st.just('{"succeeded": -1, "failed": 1e9}'), st.text(max_size=9)),
            "exitCode": st.integers(-(2**31), 2**31 - 1),
            "startedAt": st.sampled_from(TIMES[:3]),
            "finishedAt": st.sampled_from(TIMES[:3]),
        },
    ),
    max_size=1,
)
_condition = {"type": st.sampled_from(["PodScheduled", "DisruptionTarget", "Ready"]), "status": _words}
pod_statuses = st.fixed_dictionaries(
    {},
    optional={
        "phase": _words,
        "reason": _words,
        "message": st.text(max_size=9),
        "conditions": st.lists(
            st.fixed_dictionaries(_condition, optional={"reason": _words, "message": _words}), max_size=3
        ),
        "containerStatuses": st.lists(
            st.fixed_dictionaries({"name": st.sampled_from(["processor", "x"])}, optional={"state": _state}),
            max_size=2,
        ),
    },
)
"""Statuses of Pods as the API server admits them: it checks their types."""
counts = st.one_of(st.integers(0, 3).map(str), st.text("0123456789-_.ab", max_size=63))
