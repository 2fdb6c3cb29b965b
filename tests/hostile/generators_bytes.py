"""Bytes that a Pod, a store or a web server may send: of any kind, and almost right."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from fakes.build import RUN_UID, UID

HASH = "0" * 64
NUMBERS = st.one_of(st.integers(-(2**70), 2**70), st.sampled_from([0, 1, 2, 65535, 65536, 2**53, 2**63]))
WORDS = st.one_of(
    st.text(max_size=20), st.sampled_from(["web", "bogus", "IMG_001", "JPEG", "WEBP\n", HASH, "\x00", ""])
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)


def record(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with any of these fields, sometimes of another kind, and sometimes one more."""
    drawn = {name: st.one_of(value, value, value, ANYTHING) for name, value in fields.items()}
    extra = st.dictionaries(WORDS, ANYTHING, max_size=1)
    known = st.fixed_dictionaries({}, optional=drawn)
    return st.tuples(known, st.one_of(st.just({}), st.just({}), extra)).map(
        lambda both: {**both[0], **both[1]}
    )


OUTPUT = record(
    rendition=WORDS, bytes=NUMBERS, width=NUMBERS, height=NUMBERS, sha256=st.sampled_from([HASH, "x"])
)
GOOD_OUTPUT = {"rendition": "web", "bytes": 1, "width": 1, "height": 1, "sha256": HASH}
ITEM = record(
    index=st.integers(-1, 3),
    outputs=st.lists(OUTPUT | st.just(GOOD_OUTPUT), max_size=3),
    error=record(code=st.just("IMG_001"), message=WORDS),
    source=record(bytes=NUMBERS, sha256=st.just(HASH)),
    image=record(format=WORDS, width=NUMBERS, thumbHash=WORDS),
    timings=record(fetch=NUMBERS),
    notes=st.lists(WORDS, max_size=9),
)
GOOD_ITEMS = st.sampled_from(
    [
        {"index": 0, "outputs": [GOOD_OUTPUT]},
        {"index": 1, "outputs": [GOOD_OUTPUT]},
        {"index": 1, "error": {"code": "IMG_001", "message": "no"}},
    ]
)
HEAD = st.one_of(
    st.just({"version": 1, "shard": 0, "attempt": 1}), record(version=NUMBERS, shard=NUMBERS, attempt=NUMBERS)
)


def _lines(values: tuple[Any, list[Any]]) -> bytes:
    return "\n".join(json.dumps(line) for line in (values[0], *values[1])).encode()


RESULTS = st.one_of(
    st.binary(max_size=200),
    st.tuples(HEAD, st.lists(st.one_of(ITEM, GOOD_ITEMS, GOOD_ITEMS), max_size=4)).map(_lines),
)
"""Results of a shard with the items 0 and 1."""

DOCUMENTS = st.one_of(
    st.binary(max_size=200),
    record(
        items=st.lists(
            record(index=st.integers(0, 3), source=WORDS, etag=WORDS, size=NUMBERS, place=NUMBERS, key=WORDS),
            max_size=3,
        ),
        count=st.integers(-1, 4) | NUMBERS,
        copies=NUMBERS,
        skipped=NUMBERS,
        urlsUntil=WORDS,
        watermarkImages=ANYTHING,
    ).map(lambda value: json.dumps(value).encode()),
)
"""Manifests of two items."""

_TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=10),
    st.sampled_from(["p/a", "p/b", "p/", "q", "p%2Fa", "%00", "%ff", "1", "-1", "9" * 400, "true", "url"]),
    st.sampled_from(["2026-01-01T00:00:00.000Z", "2026-13-01", "&amp;", "&b;", "&#1;", "<![CDATA[p/c]]>"]),
)
_TAGS = st.sampled_from(
    [
        "Contents",
        "Key",
        "Size",
        "LastModified",
        "ETag",
        "CommonPrefixes",
        "Prefix",
        "IsTruncated",
        "Error",
        "NextContinuationToken",
        "EncodingType",
        "Code",
        "Message",
        "ListBucketResult",
        "Name",
        "a:b",
        "Owner",
    ]
)
_ELEMENT = st.recursive(
    _TEXT,
    lambda inner: st.tuples(_TAGS, st.lists(inner, max_size=5)).map(
        lambda both: f"<{both[0]}>{''.join(both[1])}</{both[0]}>"
    ),
    max_leaves=12,
)
_OBJECT = st.tuples(_TEXT, _TEXT, _TEXT).map(
    lambda v: f"<Contents><Key>{v[0]}</Key><Size>{v[1]}</Size><LastModified>{v[2]}</LastModified></Contents>"
)
_PROLOGUES = st.sampled_from(
    ["", "", '<?xml version="1.0" encoding="UTF-8"?>', '<!DOCTYPE a [<!ENTITY b "c">]>', "\ufeff", "\n"]
)
XML = st.one_of(
    st.binary(max_size=100),
    st.tuples(
        _PROLOGUES,
        st.sampled_from(["ListBucketResult", "Error", "CopyObjectResult", "a"]),
        st.lists(st.one_of(_ELEMENT, _OBJECT), max_size=6),
    ).map(lambda v: f"{v[0]}<{v[1]}>{''.join(v[2])}</{v[1]}>".encode()),
)
"""Answers of an S3 server."""

_HEADERS = st.lists(
    st.sampled_from(
        [
            *(b"Content-Length: 3", b"Content-Length: -1", b"Content-Length: 99999999999999999999"),
            *(b"Content-Length: 3\r\nContent-Length: 4", b"Content-Length: \xff", b"Content-Encoding: gzip"),
            *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Connection: upgrade"),
            *(b"Location: /b", b"Location: http://[::1", b"Location: //\x80", b"Location: ftp://a/b"),
            *(b"Content-Type: application/xml", b"Content-Type: \x00", b"Set-Cookie: a=b", b": no name"),
            *(b" folded", b"Retry-After: x", b"X-A: " + b"a" * 9000, b"Last-Modified: yesterday", b"ETag: x"),
        ]
    ),
    max_size=4,
)
_STATUS = st.sampled_from(
    [*b"200 OK,200,204 No,206 Part,302 Found,404 No,412 No,503 No,100 Go,999 x,-1 x,0 x,\xff x,".split(b",")]
)
_BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"fffffffffffffffff\r\na", b"-1\r\na", b"3;x\r\nabc\r\n"]
    ),
    XML,
)
HTTP = st.one_of(
    st.binary(max_size=100),
    st.tuples(_STATUS, _HEADERS, _BODIES).map(
        lambda v: b"HTTP/1.1 " + v[0] + b"\r\n" + b"".join(line + b"\r\n" for line in v[1]) + b"\r\n" + v[2]
    ),
)
"""What a web server sends, as bytes on the connection; it closes the connection afterwards."""

_REPORT = {
    "job": "spring",
    "uid": UID,
    "runId": "1",
    "run": 1,
    "runUid": RUN_UID,
    "outcome": "Succeeded",
    "writtenAt": "2026-01-01T12:00:00Z",
}
"""The head of a report of the run that reads it."""
_TEXTS = WORDS | st.just("é" * 600)
_SIZES = st.integers(0, 2**40) | st.integers(0, 9) | NUMBERS
_REPORT_OUTPUT = record(
    **dict.fromkeys(("rendition", "key", "type", "etag", "content"), _TEXTS),
    **dict.fromkeys(("bytes", "width", "height"), NUMBERS),
    sha256=st.just(HASH),
)
_GOOD_REPORT_OUTPUT = {
    "rendition": "web",
    "key": "a",
    "type": "image/webp",
    "width": 1,
    "height": 1,
    "sha256": HASH,
}
_REPORT_ITEM = st.one_of(
    st.builds(
        lambda source, size, bytes_: {
            "source": source,
            "size": size,
            "outputs": [{**_GOOD_REPORT_OUTPUT, "bytes": bytes_}],
        },
        _TEXTS,
        _SIZES,
        _SIZES,
    ),
    st.builds(
        lambda source, message: {
            "source": source,
            "size": 1,
            "error": {"code": "IMG_001", "message": message},
        },
        _TEXTS,
        _TEXTS,
    ),
    record(
        source=_TEXTS,
        size=NUMBERS,
        outputs=st.lists(_REPORT_OUTPUT, max_size=2),
        skipped=st.booleans(),
        sha256=_TEXTS,
        image=record(format=WORDS, width=NUMBERS),
        timings=record(fetch=NUMBERS),
        srcset=ANYTHING,
    ),
)
_ANOTHER = st.sampled_from(
    [
        {"uid": UID[::-1]},
        {"runId": "2"},
        {"run": 2},
        {"runUid": RUN_UID[::-1]},
        {"runUid": ""},
        {"outcome": "Failed"},
    ]
)
"""Of another run, or of one that did not succeed."""
_OTHER = record(**dict.fromkeys(_REPORT, WORDS | NUMBERS), checks=ANYTHING, totals=ANYTHING, error=ANYTHING)
_REPORTS = st.builds(
    lambda other, items: json.dumps({**_REPORT, **other, "items": items}).encode(),
    st.one_of(st.just({}), st.just({}), st.just({}), _ANOTHER, _OTHER),
    st.lists(_REPORT_ITEM, max_size=2),
)
REPORTS = st.one_of(st.binary(max_size=200), _REPORTS, _REPORTS, _REPORTS)
"""Reports, most of them of the run that reads them."""
