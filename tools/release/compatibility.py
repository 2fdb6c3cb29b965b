"""`python -m release.compatibility REVISION`: what the CRDs take away from users of those of a revision.

An object that was valid must stay valid, and a field must keep its type and its default: shapes only grow.
Exit code 1 if something is taken away.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from localcluster.commands import run
from localcluster.paths import repository

CRDS = ("crds/imagejob.yaml", "crds/imagestore.yaml")
Schema = Mapping[str, Any]
_UPPER = ("maxLength", "maxItems", "maxProperties", "maximum")
_LOWER = ("minLength", "minItems", "minProperties", "minimum")
_SAME = ("type", "format", "pattern", "default", "x-kubernetes-int-or-string", "x-kubernetes-list-type")


def incompatibilities(old: Schema, new: Schema) -> list[str]:
    """What the new CustomResourceDefinition takes away; empty if it only grows."""
    found = []
    for name in ("group", "scope"):
        if old["spec"][name] != new["spec"][name]:
            found.append(f"spec.{name} was {old['spec'][name]!r} and is {new['spec'][name]!r}")
    versions = {version["name"]: version for version in new["spec"]["versions"]}
    for version in old["spec"]["versions"]:
        after = versions.get(version["name"])
        if after is None or (version["served"] and not after["served"]):
            found.append(f"version {version['name']} is not served any more")
        else:
            before = version["schema"]["openAPIV3Schema"]
            found += _lost(before, after["schema"]["openAPIV3Schema"], version["name"])
    return found


def _lost(old: Schema, new: Schema, path: str) -> Iterator[str]:
    for name in _SAME:
        # A pattern or a default may be taken away or added by no version: both change what an object means.
        if old.get(name) != new.get(name):
            yield f"{path}: {name} was {old.get(name)!r} and is {new.get(name)!r}"
    for names, tighter in ((_UPPER, float.__lt__), (_LOWER, float.__gt__)):
        for name in names:
            if name in new and (name not in old or tighter(float(new[name]), float(old[name]))):
                yield f"{path}: {name} was {old.get(name, 'not set')} and is {new[name]}"
    before = old.get("enum", ["any value"])
    if "enum" in new and (lost := [value for value in before if value not in new["enum"]]):
        yield f"{path}: not allowed any more: {', '.join(map(str, lost))}"
    for name in sorted(set(new.get("required", ())) - set(old.get("required", ()))):
        yield f"{path}.{name} is required now"
    yield from _new_rules(old, new, path)
    yield from _lost_below(old, new, path)


def _new_rules(old: Schema, new: Schema, path: str) -> Iterator[str]:
    before = {rule["rule"] for rule in old.get("x-kubernetes-validations", ())}
    for rule in new.get("x-kubernetes-validations", ()):
        if rule["rule"] not in before:
            yield f"{path}: the rule {rule['rule']!r} is new"


def _lost_below(old: Schema, new: Schema, path: str) -> Iterator[str]:
    fields = new.get("properties", {})
    for name, schema in old.get("properties", {}).items():
        if name not in fields:
            yield f"{path}.{name} is gone"
        else:
            yield from _lost(schema, fields[name], f"{path}.{name}")
    for name, mark in (("items", "[]"), ("additionalProperties", "[*]")):
        if isinstance(old.get(name), Mapping):
            if isinstance(new.get(name), Mapping):
                yield from _lost(old[name], new[name], path + mark)
            else:
                yield f"{path}{mark} is gone"


def taken_away_since(revision: str) -> list[str]:
    """What the CRDs of this tree take away from users of those of a revision, such as the last release."""
    found = []
    for path in CRDS:
        old = yaml.safe_load(run(["git", "show", f"{revision}:{path}"], cwd=repository()))
        new = yaml.safe_load((repository() / path).read_text())
        found += [f"{path}: {line}" for line in incompatibilities(old, new)]
    return found


def main() -> int:
    """The exit code."""
    found = taken_away_since(sys.argv[1])
    sys.stdout.writelines(f"{line}\n" for line in found or ["nothing is taken away"])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
