"""Only relative, http and https links come into a page."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_gallery.links import safe

GOOD = (
    "store/a%20b.jpg",
    "../up/a.jpg",
    "./a:b.jpg",
    "/absolute/a.jpg",
    "a.jpg?x=1&y=%2F#part",
    "a/b:c.jpg",
    "http://127.0.0.1:9000/bucket/a.jpg",
    "HTTPS://store.example/a.jpg?X-Amz-Signature=0f",
    "https://[::1]:9000/a~b_c-d.jpg",
)
BAD = (
    *("javascript:alert(1)", "JavaScript:alert(1)", "java\nscript:alert(1)", " javascript:alert(1)"),
    *("data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:x", "ftp://x/y"),
    *("//evil.example/a.jpg", r"\\evil.example\a.jpg", r"/\evil.example/a.jpg", "http:evil", "https:///a"),
    *('a"onload=x', "a'b", "a b", "a<b", "a>b", "a\x00b", "é.jpg", "a`b", "", None),
)


@pytest.mark.parametrize("url", GOOD)
def test_a_link_is_kept(url: str) -> None:
    assert safe(url) == url


@pytest.mark.parametrize("url", BAD)
def test_a_link_is_left_out(url: str | None) -> None:
    assert safe(url) is None


@given(st.text(alphabet="javscriptdhtp:/\\\n\t #?.%&\"'<>", max_size=30))
def test_what_a_browser_reads_as_a_scheme_is_http_or_https(text: str) -> None:
    kept = safe(text)
    if kept:
        scheme = re.match(r"([a-z][a-z0-9+.-]*):", kept, re.IGNORECASE)
        assert not scheme or scheme[1].lower() in ("http", "https")
        assert not kept.startswith("//")
