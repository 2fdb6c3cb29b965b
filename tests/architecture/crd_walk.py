"""Walks over the schema of the CRD, and what they find amiss. No cluster is needed."""

from __future__ import annotations

import copy
import enum
import functools
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import yaml
from msgspec import inspect

from cluster.crd_cases import ABSENT, Case

CRD = Path(__file__).parents[2] / "crds" / "imagejob.yaml"
MIN_DESCRIPTION = 20
VALUE_LIMITS = (
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "pattern",
)
GIVEN_BY_KUBERNETES = ("metadata",)
"""Fields that a CRD cannot describe: the API server does."""

Node = dict[str, Any]


def load(path: Path = CRD) -> Node:
    """A CRD to do with as one likes; its file is read once."""
    return copy.deepcopy(_read(path))


@functools.cache
def _read(path: Path) -> Node:
    document: Node = yaml.safe_load(path.read_text())
    return document


def schema_of(crd: Node) -> Node:
    (version,) = crd["spec"]["versions"]
    schema: Node = version["schema"]["openAPIV3Schema"]
    return schema


def walk(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every schema below `node` with its path; `[]` are items of a list, `{}` members of a map."""
    yield path, node
    for name, below in node.get("properties", {}).items():
        yield from walk(below, f"{path}.{name}" if path else name)
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if "additionalProperties" in node:
        yield from walk(node["additionalProperties"], path + "{}")


def undescribed(schema: Node) -> list[str]:
    """Fields whose description is missing or too short to be of use."""
    return [
        path
        for path, node in walk(schema)
        if len(node.get("description", "")) < MIN_DESCRIPTION and path not in GIVEN_BY_KUBERNETES
        and not path.endswith(("[]", "{}"))
    ]  # fmt: skip


def unbounded(schema: Node) -> list[str]:
    """Lists without a list type, and lists, maps and strings without a limit.

    The API server bounds the three strings that every object has.
    """
    given = ("apiVersion", "kind", "metadata.name")
    findings = []
    for path, node in walk(schema):
        kind = node.get("type")
        if kind == "array" and "x-kubernetes-list-type" not in node:
            findings.append(f"{path}: no list type")
        if kind == "array" and "maxItems" not in node:
            findings.append(f"{path}: no maxItems")
        if "additionalProperties" in node and "maxProperties" not in node:
            findings.append(f"{path}: no maxProperties")
        bounded = "maxLength" in node or "enum" in node
        if kind == "string" and not bounded and path not in given:
            findings.append(f"{path}: no maxLength")
    return findings


def enums(schema: Node) -> list[str]:
    return [path for path, node in walk(schema) if "enum" in node]


# --- constraints and their cases ------------------------------------------------------------------------


def constraints(schema: Node) -> list[tuple[str, str, Any]]:
    """Every constraint as path, kind and limit; for a rule the limit is its message."""
    found: list[tuple[str, str, Any]] = []
    for path, node in walk(schema):
        found.extend((path, kind, node[kind]) for kind in VALUE_LIMITS if kind in node)
        if "enum" in node:
            found.append((path, "enum", node["enum"]))
        prefix = f"{path}." if path else ""
        found.extend((prefix + name, "required", None) for name in node.get("required", ()))
        found.extend((path, "rule", r["message"]) for r in node.get("x-kubernetes-validations", ()))
        if node.get("x-kubernetes-list-type") in ("map", "set"):
            found.append((path, "unique", None))
    return found


def uncovered(schema: Node, cases: Iterable[Case], other_rules: Iterable[tuple[str, str]] = ()) -> list[str]:
    """Constraints without a refused and an accepted value, and cases whose constraint does not exist.

    `other_rules` are path and words of rules that are tried in another way than by one manifest.
    """
    open_ = {(path, kind, _frozen(limit)): limit for path, kind, limit in constraints(schema)}
    findings = []
    for case in cases:
        hits = [key for key in open_ if _speaks_of(case, key)]
        if len(hits) != 1:
            findings.append(f"{case}: speaks of {len(hits)} constraints")
        for key in hits:
            findings.extend(f"{case}: {why}" for why in off_the_boundary(case, open_[key]))
    tried = {key for case in cases for key in open_ if _speaks_of(case, key)}
    tried |= {key for key in open_ for path, words in other_rules if key[0] == path and words in str(key[2])}
    findings.extend(
        f"{path or 'root'}:{kind}: no case for {limit}" for path, kind, limit in set(open_) - tried
    )
    return sorted(findings)


def _frozen(limit: Any) -> Any:
    return tuple(limit) if isinstance(limit, list) else limit


def _speaks_of(case: Case, key: tuple[str, str, Any]) -> bool:
    path, kind, limit = key
    return (case.constraint, case.kind) == (path, kind) and (kind != "rule" or case.says in limit)


def off_the_boundary(case: Case, limit: Any) -> list[str]:
    """Why a case does not stand at the limit: one step beyond is refused, the limit itself accepted."""
    if not case.refused or not case.accepted:
        return ["needs a refused and an accepted value"]
    if case.kind == "enum":
        return [] if set(case.accepted) == set(limit) else [f"must accept each of {limit} and no other"]
    if case.kind == "required":
        return [] if ABSENT in case.refused else ["must refuse an absent value"]
    if case.kind not in VALUE_LIMITS or case.kind == "pattern":
        return []
    numeric = case.kind in ("minimum", "maximum")
    measure = (lambda value: value) if numeric else len
    beyond = limit - 1 if case.kind.startswith("min") else limit + 1
    steps = (beyond, limit + 4) if case.path.endswith(".data") else (beyond,)
    if measure(case.refused[0]) not in steps or measure(case.accepted[0]) != limit:
        if case.kind == "minLength" and case.path.endswith(".data"):
            return []  # the shortest base64 has four characters
        return [f"does not stand at the limit {limit}"]
    return []


# --- schema and code ------------------------------------------------------------------------------------


def difference(schema: Node, kind: inspect.Type, path: str) -> list[str]:
    """Where a schema and the msgspec type that reads it disagree: fields, defaults, enums, limits."""
    kind, _ = _without_none(kind)
    if isinstance(kind, inspect.StructType):
        return _fields_difference(schema, kind, path)
    if isinstance(kind, inspect.VarTupleType):
        found = _limits_difference(schema, {"minItems": kind.min_length, "maxItems": kind.max_length}, path)
        return found + difference(schema["items"], kind.item_type, f"{path}[]")
    if isinstance(kind, inspect.UnionType):
        if not schema.get("x-kubernetes-int-or-string"):
            return [f"{path}: code takes an integer or a string"]
        merged: dict[str, Any] = {}
        for member in kind.types:
            merged |= {name: value for name, value in _limits(member).items() if value is not None}
        return _limits_difference(schema, merged, path)
    if isinstance(kind, inspect.DictType | inspect.BoolType):
        return []
    if isinstance(kind, inspect.EnumType | inspect.LiteralType):
        values = [m.value for m in kind.cls] if isinstance(kind, inspect.EnumType) else list(kind.values)
        same = set(schema.get("enum", ())) == set(values)
        return [] if same else [f"{path}: enum {schema.get('enum')} in the CRD, {values} in the code"]
    return _limits_difference(schema, _limits(kind), path)


def _without_none(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    if isinstance(kind, inspect.Metadata):
        return _without_none(kind.type)
    if not isinstance(kind, inspect.UnionType):
        return kind, False
    rest = tuple(member for member in kind.types if not isinstance(member, inspect.NoneType))
    return (rest[0] if len(rest) == 1 else inspect.UnionType(rest)), len(rest) < len(kind.types)


def _limits(kind: inspect.Type) -> dict[str, Any]:
    if isinstance(kind, inspect.IntType):
        return {"minimum": kind.ge, "maximum": kind.le}
    if isinstance(kind, inspect.StrType):
        pattern = kind.pattern.removesuffix(r"\Z") + "$" if kind.pattern else None
        pattern = kind.pattern if kind.pattern and not kind.pattern.endswith(r"\Z") else pattern
        return {"minLength": kind.min_length, "maxLength": kind.max_length, "pattern": pattern}
    raise TypeError(f"no rule for {kind}")


def _limits_difference(schema: Node, wanted: dict[str, Any], path: str) -> list[str]:
    return [
        f"{path}: {name} {schema.get(name)} in the CRD, {wanted.get(name)} in the code"
        for name in VALUE_LIMITS
        if schema.get(name) != wanted.get(name)
    ]


def _fields_difference(schema: Node, kind: inspect.StructType, path: str) -> list[str]:
    described = schema.get("properties", {})
    read = {field.encode_name: field for field in kind.fields}
    findings = [f"{path}.{name}: in the CRD, not read by the code" for name in described.keys() - read.keys()]
    findings += [f"{path}.{name}: in the code, not in the CRD" for name in read.keys() - described.keys()]
    for name in described.keys() & read.keys():
        field, below = read[name], described[name]
        where = f"{path}.{name}"
        if field.required != (name in schema.get("required", ())):
            findings.append(f"{where}: required {field.required} in the code")
        findings += _default_difference(below, default_of(field), where)
        findings += difference(below, field.type, where)
    return findings


def _default_difference(schema: Node, wanted: Any, where: str) -> list[str]:
    """Below a list, a default is in the code and the description only: GitOps would see a difference."""
    if "[]" not in where:
        default = schema.get("default", ABSENT)
        return [] if default == wanted else [f"{where}: default {default} in the CRD, {wanted} in the code"]
    if wanted in (ABSENT, []):
        return []
    shown = str(wanted).lower() if isinstance(wanted, bool) else str(wanted)
    text = " ".join(schema["description"].split())
    described = re.search(rf"Defaults to {re.escape(shown)}\b|{re.escape(shown)} \(the default\)", text)
    return [] if described else [f"{where}: the description does not name the default {shown}"]


def default_of(field: inspect.Field) -> Any:
    """The default as the CRD writes it; an absent optional member has none."""
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT or value is None:
        return ABSENT
    if isinstance(value, msgspec.Struct):
        return {}
    if isinstance(value, enum.Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value


JSON_TYPES = {str: "string", int: "integer", bool: "boolean", datetime: "string"}


def status_difference(schema: Node, struct: type[msgspec.Struct], path: str = "status") -> list[str]:
    """Fields that the CRD describes and the code does not write, the other way round, and other types."""
    hints = get_type_hints(struct)
    written = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
    described = schema.get("properties", {})
    findings = [f"{path}.{name}: in the CRD, not written" for name in described.keys() - written.keys()]
    findings += [f"{path}.{name}: written, not in the CRD" for name in written.keys() - described.keys()]
    for name in described.keys() & written.keys():
        findings += _type_difference(described[name], written[name], f"{path}.{name}")
    return findings


def _type_difference(schema: Node, hint: Any, path: str) -> list[str]:
    members = [member for member in get_args(hint) if member not in (type(None), ...)]
    if get_origin(hint) is tuple:
        wrong = [] if schema.get("type") == "array" else [f"{path}: a list in the code"]
        return wrong + _type_difference(schema.get("items", {}), members[0], f"{path}[]")
    kind = members[0] if members else hint
    if issubclass(kind, msgspec.Struct):
        return status_difference(schema, kind, path)
    same = schema.get("type") == JSON_TYPES[kind] and (schema.get("format") == "date-time") == (
        kind is datetime
    )
    return [] if same else [f"{path}: {schema.get('type')} in the CRD, {kind.__name__} in the code"]


def fields_free_to_change(rule: str, spec: Node) -> set[str]:
    """Fields of the spec that a rule does not compare with their old values; one level below execution."""
    compared = set(re.findall(r"self\.([A-Za-z.]+) == oldSelf\.\1(?![A-Za-z.])", rule))
    fields = {name for name in spec["properties"] if name != "execution"}
    fields |= {f"execution.{name}" for name in spec["properties"]["execution"]["properties"]}
    return fields - compared
