"""Validation of request headers from a Secret."""

from __future__ import annotations

import pytest

from imagejob_operator.validation.request_headers import (
    MAX_HEADERS,
    MAX_VALUE,
    InvalidHeader,
    request_headers,
)


def test_each_key_is_a_header() -> None:
    data = {"Authorization": " Bearer abc\n", "X-Api-Key": "1", "Cookie": ""}
    assert request_headers(data) == {"Authorization": "Bearer abc", "X-Api-Key": "1", "Cookie": ""}
    assert request_headers({"A": "x" * MAX_VALUE})


@pytest.mark.parametrize(
    "data",
    [
        {},
        {f"X-{number}": "secret" for number in range(MAX_HEADERS + 1)},
        {"Host": "secret"},
        {"content-length": "secret"},
        {"Transfer-Encoding": "secret"},
        {"Accept-Encoding": "secret"},
        {"X Y": "secret"},
        {"X:Y": "secret"},
        {"X\r\nY": "secret"},
        {"": "secret"},
        {"Authorization": "secret\r\nHost: other"},
        {"Authorization": "secret\x00"},
        {"Authorization": "secret ü"},
        {"Authorization": "secret" * MAX_VALUE},
    ],
    ids=repr,
)
def test_invalid_headers_are_rejected_without_their_value(data: dict[str, str]) -> None:
    with pytest.raises(InvalidHeader) as refusal:
        request_headers(data)
    assert "secret" not in str(refusal.value)
