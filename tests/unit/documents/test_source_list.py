"""A list is read line by line; an error names its line."""

from __future__ import annotations

import pytest

from imagejob_operator.api.errors import Reason
from imagejob_operator.documents.source_list import MAX_LISTED, InvalidList, read_list


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"a.jpg\nb/c.jpg\n", [(1, "a.jpg"), (2, "b/c.jpg")]),
        (b'{"key": "a.jpg"}\n"b c.jpg"\n', [(1, "a.jpg"), (2, "b c.jpg")]),
        (b"\xef\xbb\xbfa.jpg\r\n\r\nb.jpg", [(1, "a.jpg"), (3, "b.jpg")]),
        ("grün/ü.jpg".encode(), [(1, "grün/ü.jpg")]),
        (b" a.jpg \n# b.jpg\n", [(1, " a.jpg "), (2, "# b.jpg")]),
        (b'"{\\"key\\"}.jpg"', [(1, '{"key"}.jpg')]),
        (b"A.jpg\na.jpg\n", [(1, "A.jpg"), (2, "a.jpg")]),
        (b"\n \n\t\n", []),
        (b"", []),
        (b'/a.jpg\na//b.jpg\nfolder/\na\tb.jpg\n"a\\nb"', [
            (1, "/a.jpg"), (2, "a//b.jpg"), (3, "folder/"), (4, "a\tb.jpg"), (5, "a\nb"),
        ]),
    ],
)  # fmt: skip
def test_each_line_is_a_key(data: bytes, keys: list[tuple[int, str]]) -> None:
    assert [(line, key) for key, line in read_list(data, "l").items()] == keys


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"../a.jpg", "'../a.jpg' must not have a '.' or '..' segment"),
        (b".imagejob-staging/x", "reserved for the operator"),
        (b"x" * 1025, "found 1025"),
        (b"\xff.jpg", "is not UTF-8"),
        (b'{"key": "a.jpg"', "is neither"),
        (b'{"kee": "a.jpg"}', "is neither"),
        (b'{"key": "a.jpg", "more": 1}', "unknown field"),
        (b'{"key": 1}', "is neither"),
        (b'"a.jpg', "is neither"),
        (b'"a" "b"', "is neither"),
        (b'""', "found 0"),
        (b'"a\\u0000"', "NUL"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named(line: bytes, says: str) -> None:
    with pytest.raises(InvalidList, match=r"^spec\.source\.list: line 3 of 'lists/l': ") as refusal:
        read_list(b"a.jpg\n\n" + line + b"\nb.jpg\n", "lists/l")
    assert says in str(refusal.value)
    assert len(str(refusal.value)) < 600
    assert refusal.value.failure.reason is Reason.INVALID_SPEC


def test_a_duplicate_key_is_named_with_both_lines() -> None:
    with pytest.raises(InvalidList, match=r"line 3 of 'l': 'a.jpg' is a duplicate of line 1") as refusal:
        read_list(b'a.jpg\nb.jpg\n{"key": "a.jpg"}', "l")
    assert refusal.value.failure.reason is Reason.KEY_COLLISION


def test_as_many_as_promised_and_not_one_more() -> None:
    lines = [b"uploads/%d.jpg" % number for number in range(MAX_LISTED)]
    assert len(read_list(b"\n".join(lines), "l")) == MAX_LISTED
    limit = r"line 100001 of 'l': the list exceeds the limit of 100000 keys"
    with pytest.raises(InvalidList, match=limit) as refusal:
        read_list(b"\n".join([*lines, b"one-more"]), "l")
    assert refusal.value.failure.reason is Reason.TOO_MANY_ITEMS
