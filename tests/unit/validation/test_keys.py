"""Validation of keys and templates, collisions of outputs, and globs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_contract.output import Format, Output
from imagejob_contract.recipe import Rendition
from imagejob_operator.documents.outputs import output_keys
from imagejob_operator.naming.prefixes import (
    job_staging_prefix,
    own_staging_prefix,
    report_key,
    staging_folder,
    staging_prefix,
)
from imagejob_operator.validation.globs import glob_matches, matches
from imagejob_operator.validation.keys import (
    InvalidKey,
    KeyCollision,
    check_prefix,
    check_relative_key,
    check_template,
)

WEB = Rendition("web", Output(Format.WEBP))
THUMB = Rendition("thumb", Output(Format.JPEG))
segments = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=8)


@pytest.mark.parametrize("key", ["a", "a/b.jpg", "ä/ö.png", "a..b", "...", "x" * 512, ".hidden/x", " "])
def test_a_valid_key_is_accepted(key: str) -> None:
    check_relative_key(key, "field")


@pytest.mark.parametrize(
    ("key", "rule"),
    [
        ("", "1 to 512"),
        ("x" * 513, "1 to 512"),
        ("/a", "must not start with '/'"),
        ("a//b", "segment"),
        ("a/", "segment"),
        ("..", "segment"),
        ("a/../b", "segment"),
        ("./a", "segment"),
        ("a\nb", "control characters"),
        ("a\x7fb", "control characters"),
        (".imagejob-staging/x", "reserved for the operator"),
        (".imagejob/x", "reserved for the operator"),
        (".imagejob", "reserved for the operator"),
    ],
    ids=repr,
)
def test_an_invalid_key_is_rejected_with_its_field(key: str, rule: str) -> None:
    with pytest.raises(InvalidKey, match=r"^spec\.somewhere: ") as refusal:
        check_relative_key(key, "spec.somewhere")
    assert rule in str(refusal.value)


@given(st.text(max_size=40))
def test_an_accepted_key_cannot_leave_its_prefix(key: str) -> None:
    try:
        check_relative_key(key, "field")
    except InvalidKey:
        return
    assert not key.startswith("/")
    assert not {"", ".", ".."} & set(key.split("/"))


@pytest.mark.parametrize("prefix", ["a", "a/", "a/b/", "x" * 511 + "/"])
def test_a_prefix_may_end_with_one_slash(prefix: str) -> None:
    check_prefix(prefix, "field")


@pytest.mark.parametrize("prefix", ["", "/", "a//", "../", "x" * 512 + "/", ".imagejob/"])
def test_an_invalid_prefix_is_rejected(prefix: str) -> None:
    with pytest.raises(InvalidKey, match="field"):
        check_prefix(prefix, "field")


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
    ("source", "template", "more", "wanted"),
    [
        ("uploads/x/a.jpg", "{dir}{stem}-{rendition}.{ext}", {}, "o/uploads/x/a-web.webp"),
        ("uploads/x/a.jpg", "{dir}{stem}.{ext}", {"base": "uploads/"}, "o/x/a.webp"),
        ("a.tar.gz", "{stem}.{ext}", {}, "o/a.tar.webp"),
        ("noextension", "{dir}{stem}.{ext}", {}, "o/noextension.webp"),
        (".hidden", "{stem}.{ext}", {}, "o/.hidden.webp"),
        ("x/a.jpg", "{dir}{name}.{ext}", {}, "o/x/a.jpg.webp"),
        ("x/a.jpg", "{index}-{rendition}.{ext}", {}, "o/000000-web.webp"),
        ("x/a.jpg", "{index}.{ext}", {"places": [4711]}, "o/004711.webp"),
        ("{index}/{0}.jpg", "{dir}{stem}.{ext}", {}, "o/{index}/{0}.webp"),
    ],
    ids=["all", "base", "two-dots", "no-extension", "dot-file", "name", "index", "place", "braces"],
)
def test_output_keys_follow_the_template(
    source: str, template: str, more: dict[str, Any], wanted: str
) -> None:
    assert [k.key for k in output_keys([source], [WEB], "o/", template, **more)] == [wanted]


@pytest.mark.parametrize(
    ("sources", "renditions", "template"),
    [
        (["a/x.jpg", "b/x.jpg"], [WEB], "{stem}.{ext}"),
        (["x.jpg", "x.png"], [WEB], "{stem}.{ext}"),
        (["x.jpg"], [WEB, Rendition("big", Output(Format.WEBP))], "{stem}.{ext}"),
        (["x.jpg", "x.jpg"], [WEB], "{stem}-{rendition}.{ext}"),
    ],
    ids=["folders", "extensions", "renditions", "same-source-twice"],
)
def test_a_collision_names_both(sources: list[str], renditions: list[Rendition], template: str) -> None:
    with pytest.raises(KeyCollision, match=f"{sources[0]!r} .* and {sources[-1]!r}|{sources[-1]!r} .* and"):
        output_keys(sources, renditions, "", template)


def test_names_that_are_not_the_same_bytes_do_not_collide() -> None:
    """Keys are compared as bytes: case and Unicode normalization matter."""
    sources = ["A.jpg", "a.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg"]
    assert len({final.key for final in output_keys(sources, [WEB], "", "{stem}.{ext}")}) == 4


@pytest.mark.parametrize("template", ["{name}-{rendition}.{ext}", "{index}-{rendition}.{ext}"])
def test_each_collision_can_be_avoided(template: str) -> None:
    sources = ["x.jpg", "x.png", "y.jpg"]
    assert len({final.key for final in output_keys(sources, [WEB, THUMB], "", template)}) == 6


def test_a_key_longer_than_the_store_allows_is_rejected() -> None:
    with pytest.raises(InvalidKey, match="longer than 1024 bytes"):
        output_keys(["ä" * 512], [WEB], "p/", "{stem}.{ext}")


def test_an_output_key_cannot_leave_its_prefix_through_its_source() -> None:
    with pytest.raises(InvalidKey, match="keyTemplate"):
        output_keys(["x/...jpg"], [WEB], "", "{stem}/{ext}")


def test_a_rendition_in_the_format_of_each_source() -> None:
    same = Rendition("s", Output(Format.SAME))
    keys = output_keys(["a.JPEG", "b.tif"], [same, WEB], "", "{stem}-{rendition}.{ext}")
    assert [k.key for k in keys] == ["a-s.jpg", "a-web.webp", "b-s.tif", "b-web.webp"]
    with pytest.raises(
        InvalidKey, match=r"spec\.renditions: rendition 's' has output\.format Same.*'a\.bmp'"
    ):
        output_keys(["a.bmp"], [same], "", "{stem}.{ext}")
    with pytest.raises(KeyCollision, match=r"'a\.jpeg'.*'a\.jpg'"):
        output_keys(["a.jpg", "a.jpeg"], [same], "", "{stem}.{ext}")


@given(st.lists(st.lists(segments, min_size=1, max_size=3).map("/".join), unique=True, max_size=6))
def test_output_keys_are_complete_and_unique(sources: list[str]) -> None:
    try:
        keys = output_keys(sources, [WEB, THUMB], "o/", "{dir}{stem}-{rendition}.{ext}")
    except (KeyCollision, InvalidKey):
        return
    assert [(k.index, k.rendition) for k in keys] == [
        (i, r) for i in range(len(sources)) for r in ("web", "thumb")
    ]
    assert len({k.key for k in keys}) == len(keys)
    assert all(k.key.startswith("o/") for k in keys)


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
        ("[ab].jpg", "a.jpg", True),
        ("d/*/f", "d/e/f", True),
        ("d/*/f", "d/f", False),
        ("d/**/f", "d/f", True),
    ],
    ids=lambda value: str(value),
)
def test_globs(glob: str, key: str, wanted: bool) -> None:
    assert glob_matches(glob, key) is wanted


@given(st.lists(segments, min_size=1, max_size=4).map("/".join))
def test_two_stars_match_every_key(key: str) -> None:
    assert glob_matches("**", key)
    assert glob_matches("**/*", key)


@given(st.lists(st.text("abc.", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join))
def test_a_plain_glob_matches_itself_and_exclude_wins(key: str) -> None:
    assert glob_matches(key, key)
    assert matches(key, (), ())
    assert not matches(key, (), (key,))
    assert not matches(key, ("**",), ("**",))


def test_prefixes() -> None:
    assert staging_folder("i", "c-1") == "i-c-1"
    assert staging_prefix("i", "shop", "u-1", 3, 2) == ".imagejob-staging/i/shop/u-1/3-2/"
    assert job_staging_prefix("i", "shop", "u-1").startswith(own_staging_prefix("i"))
    assert staging_prefix("i", "shop", "u-1", 3, 2).startswith(job_staging_prefix("i", "shop", "u-1"))
    assert report_key("shop", "spring", "12345678-9", 3) == ".imagejob/shop/spring/12345678/3.json"
