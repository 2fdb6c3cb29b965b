"""What the codes of a store mean."""

from __future__ import annotations

import pytest

from imagejob_operator.adapters.s3.errors import of_code
from imagejob_operator.api.errors import Code, Reason
from imagejob_operator.operations.failed import denied
from imagejob_operator.ports.object_store import StoreFull, StoreUnavailable


@pytest.mark.parametrize("code", ["QuotaExceeded", "XMinioAdminBucketQuotaExceeded"])
@pytest.mark.parametrize("status", [400, 403])
def test_a_quota_that_is_used_up_is_no_denied_access(code: str, status: int) -> None:
    kind = of_code(code, status, "the quota of the bucket is used up")
    assert kind is StoreFull
    for stage in (Code.STAGING, Code.PUBLISH):
        assert denied(stage, "cannot write", StoreFull("full")).reason is Reason.STORE_UNAVAILABLE


def test_a_store_without_space_may_get_new_disks() -> None:
    assert of_code("XMinioStorageFull", 507, "") is StoreUnavailable
