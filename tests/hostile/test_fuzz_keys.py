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
    try:
        keys.check_relative_key(key, "spec.x")
        keys.check_prefix(key, "spec.x")
        keys.check_template(key, "spec.x")
    except keys.InvalidKey:
        return
    segments = key.split("/")
    assert all(segment not in ("", ".", "..") for segment in segments)
    assert segments[0] not in RESERVED_ROOTS


@given(written)
@example("{stem!r}")
@example("a\n")
def test_a_key_is_valid_or_refused(key: str) -> None:
    never_leaves_its_namespace(key)


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "check_segments", lambda key, field: None)
    with pytest.raises(AssertionError):
        test_a_key_is_valid_or_refused()
