"""The search for keys and signatures finds what is planted, and does not repeat it."""

from __future__ import annotations

import pytest

from e2e.secrecy import revealed


@pytest.mark.parametrize(
    "text",
    [
        "a=s3cr3t-key",
        "GET http://store/x?X-Amz-Algorithm=A&X-Amz-Signature=0a",
        "https://store/x?AWSAccessKeyId=abc&Expires=1",
    ],
)
def test_a_key_or_a_signature_is_found(text: str) -> None:
    (found,) = revealed(text, {"s3cr3t-key"})
    assert found in text.replace("s3cr3t-key", "<key>")
    assert "s3cr3t-key" not in found


def test_the_text_around_a_signature_does_not_show_a_key() -> None:
    found = revealed("key: s3cr3t-key, url: x?X-Amz-Signature=1", {"s3cr3t-key"})
    assert len(found) == 2
    assert not any("s3cr3t-key" in one for one in found)


def test_nothing_is_found_where_nothing_is() -> None:
    assert revealed("the URL was signed with X-Amz-Signature, the key is hidden", {"s3cr3t-key", ""}) == []
