"""Validation of keys and templates, collisions of outputs, and globs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.naming.prefixes import (
    job_staging_prefix,
    own_staging_prefix,
    report_key,
    staging_folder,
    staging_prefix,
)
from imagejob_operator.validation.globs import matcher
from imagejob_operator.validation.keys import (
    InvalidKey,
    check_chosen_prefix,
    check_key,
    check_name,
    check_template,
)

segments = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)


NAMES = ["a", "a/b.jpg", "ä/ö.png", "a..b", "...", "x" * 1024, ".hidden/x", " ", "..a/b.."]
KEYS = ["/a", "a//b", "a/", "a\nb", "a\x7fb", "a\x01", "e\u0301", "\U0001f5bc", "ü" * 512, "/", "//.a"]


@pytest.mark.parametrize("key", [*NAMES, *KEYS], ids=repr)
def test_whatever_s3_takes_is_a_key(key: str) -> None:
    check_key(key, "field")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_a_user_chooses(name: str) -> None:
    check_name(name, "field")


DOTS = "'.' or '..' segment, which HTTP clients and servers resolve"


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("", "1 to 1024 bytes"),
        ("x" * 1025, "1 to 1024 bytes"),
        ("ü" * 513, "1 to 1024 bytes in UTF-8, found 1026"),
        ("..", DOTS),
        (".", DOTS),
        ("a/../b", DOTS),
        ("./a", DOTS),
        ("a/.", DOTS),
        ("a//../b", DOTS),
        ("a\0b", "NUL"),
        ("a\ud800", "surrogate"),
        (".imagejob-staging/x", "reserved for the operator"),
        (".imagejob/x", "reserved for the operator"),
        (".imagejob", "reserved for the operator"),
        ("/.imagejob/x", "reserved for the operator"),
        ("//.imagejob-staging/x", "reserved for the operator"),
    ],
    ids=repr,
)
def test_an_invalid_key_is_rejected_with_its_field(key: str, rule: str) -> None:
    for check in (check_key, check_name):
        with pytest.raises(InvalidKey, match=r"^spec\.somewhere: ") as refusal:
            check(key, "spec.somewhere")
        assert rule in str(refusal.value) or check is check_name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("/a", "must not start with '/'"),
        ("a//b", "empty segment"),
        ("a/", "empty segment"),
        ("a\nb", "control characters"),
        ("a\x7fb", "control characters"),
    ],
    ids=repr,
)
def test_a_name_that_few_programs_could_use_is_rejected(name: str, rule: str) -> None:
    with pytest.raises(InvalidKey, match=r"^field: ") as refusal:
        check_name(name, "field")
    assert rule in str(refusal.value)


@given(st.text(max_size=40))
def test_an_accepted_key_cannot_leave_its_prefix(key: str) -> None:
    try:
        check_key(key, "field")
    except InvalidKey:
        return
    assert not {".", ".."} & set(key.split("/"))


@pytest.mark.parametrize("prefix", ["a", "a/", "a/b/", "x" * 1023 + "/"])
def test_a_prefix_may_end_with_one_slash(prefix: str) -> None:
    check_chosen_prefix(prefix, "field")


@pytest.mark.parametrize("prefix", ["", "/", "a//", "../", "x" * 1024 + "/", ".imagejob/"])
def test_an_invalid_prefix_is_rejected(prefix: str) -> None:
    with pytest.raises(InvalidKey, match="field"):
        check_chosen_prefix(prefix, "field")


@pytest.mark.parametrize("template", ["{stem}", "{dir}{stem}-{rendition}.{ext}", "a/{rendition}/{stem}"])
def test_a_template_of_known_variables_is_accepted(template: str) -> None:
    check_template(template, "field")


@pytest.mark.parametrize(
    "template",
    ["{title}", "{stem", "stem}", "{stem!r}", "{stem:>9}", "{stem.real}", "{{stem}}", "/{stem}", "../{stem}"],
)
def test_any_other_template_is_rejected(template: str) -> None:
    with pytest.raises(InvalidKey, match="field"):
        check_template(template, "field")


@pytest.mark.parametrize(
    ("glob", "key", "wanted"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "d/a.jpg", False),
        ("**/*.jpg", "a.jpg", True),
        ("**/*.jpg", "d/e/a.jpg", True),
        ("**/*.jpg", "d/a.JPG", False),
        ("d/**", "d/e/f", True),
        ("d/**", "x/d/e", False),
        ("**/d/**", "a/d/b", True),
        ("d/?.jpg", "d/a.jpg", True),
        ("d/?.jpg", "d/ab.jpg", False),
        ("[ab].jpg", "a.jpg", False),
        ("[ab].jpg", "[ab].jpg", True),
        ("Smith [2013]/*.jpg", "Smith [2013]/a.jpg", True),
        ("**/[draft]*", "tree.jpg", False),
        ("{a,b}.jpg", "a.jpg", False),
        ("{a,b}.jpg", "{a,b}.jpg", True),
        ("a\\\\*.jpg", "a\\\\b.jpg", True),
        ("!a", "b", False),
        ("d/**/**/f", "d/e/f", True),
        ("a*b*c", "aXbYbZc", True),
        ("a*b*c", "ab/c", False),
        ("*", "a/b", False),
        ("d/*/f", "d/e/f", True),
        ("d/*/f", "d/f", False),
        ("d/**/f", "d/f", True),
    ],
    ids=lambda value: str(value),
)
def test_globs(glob: str, key: str, wanted: bool) -> None:
    assert matcher((glob,), ())(key) is wanted


@given(st.lists(segments, min_size=1, max_size=4).map("/".join))
def test_two_stars_match_every_key(key: str) -> None:
    assert matcher(("**",), ())(key)
    assert matcher(("**/*",), ())(key)


@given(st.lists(st.text("abc.", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join))
def test_a_plain_glob_matches_itself_and_exclude_wins(key: str) -> None:
    assert matcher((key,), ())(key)
    assert matcher((), ())(key)
    assert not matcher((), (key,))(key)
    assert not matcher(("**",), ("**",))(key)


def test_prefixes() -> None:
    assert staging_folder("i", "c-1") == "i-c-1"
    assert staging_prefix("i", "shop", "u-1", 3, 2) == ".imagejob-staging/i/shop/u-1/3-2/"
    assert job_staging_prefix("i", "shop", "u-1").startswith(own_staging_prefix("i"))
    assert staging_prefix("i", "shop", "u-1", 3, 2).startswith(job_staging_prefix("i", "shop", "u-1"))
    assert report_key("shop", "spring", "12345678-9", 3) == ".imagejob/shop/spring/12345678/3.json"
