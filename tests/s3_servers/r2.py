"""What Cloudflare R2 refuses, with its answers.

This follows its pages of S3 API compatibility, presigned URLs and error codes.
"""

from __future__ import annotations

from urllib.parse import parse_qs

from e2e.faults.store_proxy import Request
from s3_servers.proxy import NOT_IMPLEMENTED, Refusal

HEADERS = (
    "x-amz-acl",
    "x-amz-grant-",
    "x-amz-tagging",
    "x-amz-object-lock-",
    "x-amz-bypass-governance-retention",
    "x-amz-mfa",
    "x-amz-website-redirect-location",
    "x-amz-request-payer",
    "x-amz-expected-bucket-owner",
    "x-amz-source-expected-bucket-owner",
    "x-amz-server-side-encryption",
)
"""Beginnings of headers that R2 does not implement."""
WITH_KEYS_OF_THE_CLIENT = "x-amz-server-side-encryption-customer-"
"""The one encryption that R2 implements."""
OF_COPIES = ("x-amz-checksum-algorithm", "x-amz-sdk-checksum-algorithm")
QUERIES = (
    *("accelerate", "acl", "analytics", "attributes", "intelligent-tiering", "inventory", "legal-hold"),
    *("logging", "metrics", "notification", "object-lock", "ownershipControls", "policy", "policyStatus"),
    *("publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging"),
    *("torrent", "versioning", "versions", "website"),
)
"""Subresources that R2 does not implement."""
STORAGE_CLASSES = ("STANDARD", "STANDARD_IA")
EXPIRED = (400, "ExpiredRequest", "Presigned URL or request signature has expired")
"""S3 answers 403 AccessDenied."""


def refusal(request: Request) -> Refusal | None:
    """Why R2 refuses a request; None if it does not."""
    asked = parse_qs(request.query, keep_blank_values=True)
    if request.operation == "post" and not {"uploads", "uploadId"} & asked.keys():
        return 501, NOT_IMPLEMENTED, "Presigned post requests are not yet implemented"
    for name in QUERIES:
        if name in asked:
            return 501, NOT_IMPLEMENTED, f"{name} not implemented"
    for name, value in request.headers.items():
        if _unimplemented(name, request.operation):
            return 501, NOT_IMPLEMENTED, f"Header '{name}' with value '{value}' not implemented"
    if (storage_class := request.headers.get("x-amz-storage-class", "STANDARD")) not in STORAGE_CLASSES:
        return 400, "InvalidStorageClass", f"The storage class {storage_class} is not valid"
    if request.method == "PUT" and "content-length" not in request.headers:
        return 411, "MissingContentLength", "You must provide the Content-Length HTTP header"
    return None


def _unimplemented(header: str, operation: str) -> bool:
    if header.startswith(WITH_KEYS_OF_THE_CLIENT):
        return False
    return header.startswith(HEADERS) or (operation == "copy" and header in OF_COPIES)
