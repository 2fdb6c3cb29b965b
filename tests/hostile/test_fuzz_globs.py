"""Globs and keys of any form: the same result as by definition, at a bounded cost."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from hostile import cpu_time
from hostile.cpu_time import assert_cheap
from imagejob_operator.validation import globs

MOST_SECONDS = 0.02
"""For one glob and one key of the longest that are admitted."""

_parts = st.sampled_from(["**", "*", "?", "a", "b", "ab", "a*b", "*a*", "*a?", ".", "é"])
patterns = st.lists(_parts, min_size=1, max_size=60).map("/".join).filter(lambda glob: len(glob) <= 256)
keys = st.lists(st.sampled_from(["a", "b", "ab", "aXb", "é", "", "x" * 9]), min_size=1, max_size=90).map(
    "/".join
)
repeated = st.tuples(_parts, st.integers(1, 80), _parts).map(lambda made: f"{made[0]}/" * made[1] + made[2])
within_segments = st.tuples(
    st.sampled_from(["*a", "*?", "*b*", "?*", "a*", "*"]),
    st.integers(1, 128),
    st.sampled_from(["", "b", "/*"]),
).map(lambda made: made[0] * made[1] + made[2])


def defined(glob: str, key: str) -> bool:
    """Whether a glob matches, step by step over its segments."""
    segments, reachable = key.split("/"), {0}
    for part in glob.split("/"):
        if part == "**":
            reachable = {end for start in reachable for end in range(start, len(segments) + 1)}
        else:
            rest = reachable - {len(segments)}
            reachable = {start + 1 for start in rest if fnmatch.fnmatchcase(segments[start], part)}
    return len(segments) in reachable


@given(patterns, keys)
@example("**/**", "a")
@example("a/**", "a")
@example("**/a/**/b", "a/a/b")
def test_globs_match_as_defined(glob: str, key: str) -> None:
    assert globs.matcher((glob,), ())(key) is defined(glob, key)
    assert globs.matcher((), (glob,))(key) is not defined(glob, key)


any_glob, repeats = (
    st.one_of(patterns, repeated, within_segments),
    st.sampled_from(["a/", "ab/", "a", "aXb/", "/"]),
)


@given(any_glob, repeats)
@example("**/" * 57 + "**", "a/")
def test_no_glob_is_slow_on_any_key(glob: str, repeat: str) -> None:
    """A user writes globs, and keys of up to 1,024 bytes that are made for them."""
    check_cost(glob, repeat)


def check_cost(glob: str, repeat: str) -> None:
    matches = globs.matcher((glob[:256],), ())
    key = repeat * (1024 // len(repeat))
    assert_cheap(lambda: matches(key), MOST_SECONDS)


def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """`*` also matches '/'."""
    made = globs._segment
    monkeypatch.setattr(globs, "_segment", lambda segment: made(segment).replace("[^/]*", ".*"))
    with pytest.raises(AssertionError):
        test_globs_match_as_defined()


def test_a_planted_search_of_all_places_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without atomic groups, each '*' is tried at each place, for each place of those before it."""
    made = globs._expression
    monkeypatch.setattr(globs, "_expression", lambda glob: made(glob).replace("(?>", "(?:"))
    monkeypatch.setattr(cpu_time, "HOPELESS", 0.1)

    @settings(phases=[Phase.generate])
    @given(any_glob, repeats)
    def search(glob: str, repeat: str) -> None:
        check_cost(glob, repeat)

    with pytest.raises(AssertionError, match="it took"):
        search()
