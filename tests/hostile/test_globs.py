"""A user writes globs, and an object store has keys, that are made for each other to match slowly."""

from __future__ import annotations

import pytest

from hostile.cpu_time import assert_cheap
from imagejob_operator.api.sources import MatchSource
from imagejob_operator.validation.keys import MAX_KEY_BYTES, InvalidKey, check_prefix

MOST_SECONDS = 0.05

SEGMENTS = "/".join(["a"] * 511)
"""A key of 1,021 bytes; S3 allows 1,024."""
ATTACKS = {
    "only-double-stars": ("/".join(["**"] * 84), SEGMENTS),
    "double-stars-and-segments": ("**/a/" * 50 + "b", SEGMENTS),
    "a-long-run-after-double-stars": ("**/" + "a/" * 120 + "b/**", SEGMENTS),
    "stars-and-segments": ("**/*/" * 50 + "b", SEGMENTS),
    "stars-in-a-segment": ("*a" * 127 + "b", "a" * 1021),
    "stars-and-double-stars": ("**/*a*a*a*a*b/" * 17 + "c", "/".join(["a" * 60] * 16)),
    "wildcards": ("*?" * 127 + "b", "a" * 1021),
    "brackets": ("[a-z!" * 50, "[" * 1021),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_matching_one_key_is_cheap(name: str) -> None:
    """16 include and 16 exclude globs on one key: a listing has thousands of keys."""
    glob, key = ATTACKS[name]
    assert len(glob) <= 256
    globs = tuple(glob + "x" * (position % 3) for position in range(16))
    selects = MatchSource("a", include=(*globs[:15], "**"), exclude=globs).selector()
    assert_cheap(lambda: selects(key), MOST_SECONDS)


@pytest.mark.parametrize(
    "prefix", [".i", ".imagejob", ".imagejob-", ".imagejob-staging", ".imagejob-staging/"]
)
def test_keys_of_the_operator_are_never_sources(prefix: str) -> None:
    """In an ImageStore the operator has folders beside the user's keys: no run reads them."""
    selects = MatchSource(prefix).selector()
    assert not selects(".imagejob-staging/default-cluster/shop/uid/1-1/in/000000")
    assert not selects(".imagejob/shop/spring/0000aaaa/1.json")
    with pytest.raises(InvalidKey, match="reserved"):
        check_prefix(prefix, "spec.source.match.prefix")


@pytest.mark.parametrize("name", ATTACKS)
def test_compiling_globs_is_cheap(name: str) -> None:
    """It runs in a thread."""
    source = MatchSource("a", include=tuple(f"{ATTACKS[name][0]}"[:250] + str(n) for n in range(16)))
    assert_cheap(source.selector, 1)


def test_an_honest_key_is_long_enough_for_the_attacks() -> None:
    assert MAX_KEY_BYTES - 5 < len(SEGMENTS) <= MAX_KEY_BYTES
