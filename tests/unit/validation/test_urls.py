"""Parsing of URLs, messages without secrets, and source keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.validation.urls import InvalidURL, name_of, parse_url, redirected, shown

REJECTED = [
    "",
    "a.jpg",
    "//a.example/a.jpg",
    "ftp://a.example/a.jpg",
    "file:///etc/passwd",
    "HTTPS://a.example/a.jpg",
    "https:///a.jpg",
    "https://me@a.example/a.jpg",
    "https://me:pw@a.example/a.jpg",
    "https://a.example@127.0.0.1/a.jpg",
    "https://a.example\\@127.0.0.1/a.jpg",
    "https://a.example:/a.jpg",
    "https://a.example:0/a.jpg",
    "https://a.example:65536/a.jpg",
    "https://a.example:443:80/a.jpg",
    "https://a example/a.jpg",
    "https://a.example/a b.jpg",
    "https://a.example/a\n.jpg",
    "https://a.example/a\\b.jpg",
    "https://ä.example/a.jpg",
    "https://１２７.0.0.1/a.jpg",
    "https://[::1/a.jpg",
    "https://[1.2.3.4]/a.jpg",
    "https://[fe80::1%25eth0]/a.jpg",
    "https://[::g]/a.jpg",
    "https://::1/a.jpg",
    "http://2130706433/a.jpg",
    "http://0x7f000001/a.jpg",
    "http://0x7f.0.0.1/a.jpg",
    "http://0177.0.0.1/a.jpg",
    "http://127.1/a.jpg",
    "http://127.0.1/a.jpg",
    "http://00000177.0x1/a.jpg",
    "http://1.2.3.4.5/a.jpg",
    "http://256.1.1.1/a.jpg",
    "http://0x/a.jpg",
    "https://a.example/" + "x" * 2048,
]


@pytest.mark.parametrize("url", REJECTED)
def test_invalid_urls_are_rejected(url: str) -> None:
    with pytest.raises(InvalidURL) as refusal:
        parse_url(url)
    assert "pw" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://a.example/a.jpg", "a.example", 443),
        ("http://A.Example./a.jpg", "a.example", 80),
        ("http://a_b.example:8080/a.jpg", "a_b.example", 8080),
        ("https://127.0.0.1/a.jpg", "127.0.0.1", 443),
        ("https://[2606:4700::1111]:8443/a.jpg", "2606:4700::1111", 8443),
        ("https://[::ffff:1.2.3.4]/a.jpg", "::ffff:1.2.3.4", 443),
        ("https://3com.example/a.jpg", "3com.example", 443),
        ("https://a.example", "a.example", 443),
        ("https://a.example?x=/a.jpg", "a.example", 443),
    ],
)
def test_parts_of_a_url(url: str, host: str, port: int) -> None:
    read = parse_url(url)
    assert (read.host, read.port) == (host, port)
    assert parse_url(read.whole).origin == read.origin


def test_signed_parts_are_sent_unchanged() -> None:
    url = parse_url("https://a.example/a%20b/%7Ec+d.jpg?sig=a%2Bb%2f==&x=1#part")
    assert url.whole == "https://a.example/a%20b/%7Ec+d.jpg?sig=a%2Bb%2f==&x=1"
    assert parse_url("https://a.example/grün/ß.jpg").whole == "https://a.example/gr%C3%BCn/%C3%9F.jpg"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://me:pw@a.example/a.jpg?token=s#f", "https://a.example/a.jpg"),
        ("https://a@b@c.example/a.jpg", "https://c.example/a.jpg"),
        ("https://a.example#me:pw@x", "https://a.example"),
        ("https://a.example:8443/a.jpg", "https://a.example:8443/a.jpg"),
        ("nonsense?token=s", "nonsense"),
        ("", ""),
    ],
)
def test_messages_do_not_contain_secrets(url: str, plain: str) -> None:
    assert shown(url) == plain


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_query_is_never_shown(before: str, secret: str) -> None:
    assert "?" not in shown(before + "?" + secret)
    assert "#" not in shown(before + "#" + secret)


def test_a_long_url_is_truncated() -> None:
    assert len(shown("https://a.example/" + "x" * 5000)) == 200


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a.example/b/a.jpg?x=1", "a.jpg"),
        ("https://a.example/gr%C3%BCn%20x.jpg", "grün x.jpg"),
        ("https://a.example/a%2Fb.jpg", "a/b.jpg"),
        ("https://a.example/a+b.jpg", "a+b.jpg"),
        ("https://a.example/%2e%2e", ".."),
        ("https://a.example/%FF.jpg", ""),
        ("https://a.example/", ""),
        ("https://a.example", ""),
    ],
)
def test_the_source_key_is_the_last_segment(url: str, name: str) -> None:
    assert name_of(parse_url(url)) == name


@pytest.mark.parametrize(
    ("location", "whole"),
    [
        ("/b.jpg?y=2", "https://a.example/b.jpg?y=2"),
        ("b.jpg", "https://a.example/x/b.jpg"),
        ("//b.example/c.jpg", "https://b.example/c.jpg"),
        (" https://b.example/c.jpg ", "https://b.example/c.jpg"),
    ],
)
def test_targets_of_redirects(location: str, whole: str) -> None:
    assert redirected(parse_url("https://a.example/x/a.jpg?q=1"), location).whole == whole


@pytest.mark.parametrize(
    "location",
    ["http://a.example/a.jpg", "ftp://a.example/", "https://me:pw@b.example/", "http://0x7f.1/", "data:,x"],
)
def test_invalid_targets_of_redirects(location: str) -> None:
    with pytest.raises(InvalidURL):
        redirected(parse_url("https://a.example/a.jpg"), location)
