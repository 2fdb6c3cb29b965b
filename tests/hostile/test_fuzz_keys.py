"""A user writes keys, prefixes and templates of any characters: each is valid or refused with the rule."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imagejob_operator.naming.names import RESERVED_ROOTS
from imagejob_operator.validation import keys

pieces = st.sampled_from(
    ["/", ".", "..", "{", "}", "{stem}", "{index}", "{stem!r}", "\n", "\x7f", "é", "a", *RESERVED_ROOTS]
)
written = st.lists(st.one_of(pieces, st.text(max_size=5)), max_size=40).map("".join)


def never_leaves_its_namespace(key: str) -> None:
    """A key that is accepted stays below the namespace, outside the operator's folders."""
    for check in (keys.check_key, keys.check_prefix, keys.check_name, keys.check_chosen_prefix):
        try:
            check(key, "spec.x")
        except keys.InvalidKey:
            continue
        segments = key.split("/")
        assert all(segment not in (".", "..") for segment in segments)
        assert next(filter(None, segments), "") not in RESERVED_ROOTS
        assert 1 <= len(key.encode()) <= 1024
    try:
        keys.check_name(key, "spec.x")
        keys.check_template(key, "spec.x")
    except keys.InvalidKey:
        return
    assert all(key.split("/"))
    assert key.isprintable() or not any(ord(character) < 32 for character in key)


@given(written)
@example("{stem!r}")
@example("a\n")
def test_a_key_is_valid_or_refused(key: str) -> None:
    never_leaves_its_namespace(key)


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "check_key", lambda key, field: None)
    with pytest.raises(AssertionError):
        test_a_key_is_valid_or_refused()
