"""Reads YAML and JSON with one or more documents, as strictly as kubectl does."""

from __future__ import annotations

import codecs
from typing import Any

import yaml

from imagejob.errors import Invalid

MAX_NODES = 500_000
"""Values of all documents; an alias counts as often as it is used."""
_MERGE = "tag:yaml.org,2002:merge"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Refuses keys that are set twice: one of the two would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
                continue
            if key.value in seen:
                text = f"the key {key.value!r} is set twice; remove one of them"
                raise yaml.constructor.ConstructorError(problem=text, problem_mark=key.start_mark)
            seen.add(key.value)
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


def load_documents(text: str | bytes, name: str) -> list[Any]:
    """The documents that are not empty; raises Invalid. `name` names the file in errors."""
    text = _decoded(text, name) if isinstance(text, bytes) else text
    try:
        found = [document for document in yaml.load_all(text, _Loader) if document is not None]
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise Invalid(f"{name} is not valid YAML: {where}{problem}") from None
    _check_size(found, name)
    return found


def _decoded(data: bytes, name: str) -> str | bytes:
    """The text of a file; bytes that say by a mark that they are UTF-16 are left to the parser."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Invalid(
            f"{name} is not text in UTF-8: line {line} has the byte 0x{data[error.start]:02x}; "
            "if it is text, save it in the encoding UTF-8"
        ) from None


def _check_size(documents: list[Any], name: str) -> None:
    left, nodes = list(documents), 0
    while left:
        nodes += 1
        if nodes > MAX_NODES:
            raise Invalid(f"{name} has more than {MAX_NODES} values, with its aliases; make it smaller")
        one = left.pop()
        if isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)
