"""Manifests are read as strictly as kubectl reads them, and never for long."""

from __future__ import annotations

import pytest

from imagejob.documents import MAX_NODES, load_documents
from imagejob.errors import Invalid

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "\n".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)
)


def test_documents_without_content_are_left_out() -> None:
    assert load_documents("---\n---\na: 1\n---\n", "f") == [{"a": 1}]


@pytest.mark.timeout(10)
def test_aliases_count_as_often_as_they_are_used() -> None:
    with pytest.raises(Invalid, match=f"f has more than {MAX_NODES} values"):
        load_documents(BOMB, "f")


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}"])
@pytest.mark.timeout(10)
def test_a_value_in_itself_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="f "):
        load_documents(text, "f")


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "s: {a: 1, a: 2}", '{"a": 1, "a": 1}'])
def test_a_key_that_is_set_twice_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"f is not valid YAML: line .*: the key 'a' is set twice"):
        load_documents(text, "f")


def test_merged_keys_are_not_set_twice() -> None:
    text = "base: &base {a: 1}\none: {<<: *base, a: 2}"
    assert load_documents(text, "f")[0]["one"] == {"a": 2}


def test_what_is_no_yaml_names_the_line() -> None:
    with pytest.raises(Invalid, match=r"f is not valid YAML: line 2, column \d+: "):
        load_documents("a: 1\n  b: [", "f")
