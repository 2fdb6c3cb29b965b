"""The proxy that plays R2 refuses what R2 refuses, and nothing else."""

from __future__ import annotations

import pytest

from e2e.faults.store_proxy import read_head
from s3_servers.r2 import refusal


def refused(line: str, *headers: str) -> tuple[int, str] | None:
    """Status and code of the refusal of a request."""
    sent = "\r\n".join([f"{line} HTTP/1.1", "Host: store", "Content-Length: 0", *headers, "", ""])
    why = refusal(read_head(sent.encode()))
    return why and why[:2]


NOT_IMPLEMENTED = (501, "NotImplemented")


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("POST /media", ("Content-Type: multipart/form-data; boundary=x",)),
        ("PUT /media/a", ("x-amz-tagging: team=shop&a=b",)),
        ("PUT /media/a", ("x-amz-copy-source: /media/b", "x-amz-tagging-directive: REPLACE")),
        ("PUT /media/a", ("x-amz-acl: public-read",)),
        ("PUT /media/a", ("x-amz-server-side-encryption: AES256",)),
        ("PUT /media/a", ("x-amz-copy-source: /media/b", "x-amz-checksum-algorithm: SHA256")),
        ("GET /media/a?tagging=", ()),
        ("GET /media?versions=&prefix=a", ()),
        ("GET /media?acl", ()),
        ("GET /media", ("x-amz-expected-bucket-owner: 1",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_not_implemented(line: str, headers: tuple[str, ...]) -> None:
    assert refused(line, *headers) == NOT_IMPLEMENTED


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("GET /media/a", ("If-Match: x", "Range: bytes=0-1")),
        ("GET /media?list-type=2&prefix=acl/&delimiter=/&encoding-type=url&fetch-owner=true", ()),
        ("HEAD /media/acl", ()),
        ("HEAD /media", ()),
        ("PUT /media/a", ("If-None-Match: *", "x-amz-meta-owner: shop", "x-amz-storage-class: STANDARD_IA")),
        ("PUT /media/a?X-Amz-Expires=60&X-Amz-SignedHeaders=host%3Bcontent-length", ()),
        ("PUT /media/a", ("x-amz-copy-source: /media/b", "x-amz-copy-source-if-match: x")),
        ("PUT /media/a", ("x-amz-server-side-encryption-customer-algorithm: AES256",)),
        ("PUT /media/a", ("x-amz-checksum-algorithm: CRC32",)),
        ("POST /media?delete=", ("Content-MD5: x",)),
        ("POST /media/a?uploads=", ()),
        ("POST /media/a?uploadId=1", ()),
        ("DELETE /media/a", ()),
        ("PUT /media", ()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_passed_on(line: str, headers: tuple[str, ...]) -> None:
    assert refused(line, *headers) is None


def test_an_unknown_storage_class_is_refused_by_its_name() -> None:
    assert refused("PUT /media/a", "x-amz-storage-class: GLACIER") == (400, "InvalidStorageClass")
