"""What Backblaze B2 refuses, with its answers, as far as the operator asks for it."""

from __future__ import annotations

from urllib.parse import parse_qs

from e2e.faults.store_proxy import Request
from s3_servers.proxy import NOT_IMPLEMENTED, Refusal

MESSAGE = "A header you provided implies functionality that is not implemented"


def refusal(request: Request) -> Refusal | None:
    """Why B2 refuses a request; None if it does not."""
    asked = parse_qs(request.query, keep_blank_values=True)
    if request.operation == "post" and not {"uploads", "uploadId"} & asked.keys():
        return 501, NOT_IMPLEMENTED, "POST is not implemented for this resource"
    if "tagging" in asked or "x-amz-tagging" in request.headers:
        return 501, NOT_IMPLEMENTED, MESSAGE
    if request.operation == "put" and {"if-none-match", "if-match"} & request.headers.keys():
        return 501, NOT_IMPLEMENTED, MESSAGE
    return None
