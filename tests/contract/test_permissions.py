"""The policies on the page about permissions suffice for all calls, and for nothing else."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from minio import Minio, MinioAdmin
from minio.credentials.providers import StaticProvider

from architecture.runbook import ROOT
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.object_store import ObjectMissing, StoreDenied
from imagejob_operator.ports.store_calls import check_calls
from s3_servers.servers import S3Server

pytestmark = [pytest.mark.store, pytest.mark.parametrize("s3", ["minio"], indirect=True)]

PAGE = (ROOT / "docs" / "administrators" / "store-permissions.md").read_text()
POLICIES: list[dict[str, Any]] = [
    json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.M | re.S)
]
WHOLE, BELOW_A_PREFIX = POLICIES
ACTIONS = [action for statement in WHOLE["Statement"] for action in statement["Action"]]
Open = Callable[[dict[str, Any]], S3Store]


@pytest.fixture
def opened(s3: S3Server) -> Iterator[Open]:
    """Opens a new bucket with the keys of a user that a policy applies to."""
    keys = StaticProvider(s3.access_key, s3.secret_key)
    admin = MinioAdmin(endpoint=s3.endpoint, credentials=keys, secure=False)
    stores: list[S3Store] = []

    def open_as(policy: dict[str, Any]) -> S3Store:
        bucket, user, secret = f"own-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex[:12], uuid.uuid4().hex
        Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False).make_bucket(bucket)
        admin.policy_add(bucket, policy=json.loads(json.dumps(policy).replace("my-media", bucket)))
        admin.user_add(user, secret)
        admin.policy_set(bucket, user=user)
        location = StoreLocation(s3.endpoint, bucket, secure=False)
        stores.append(S3Store(location, lambda: Credentials(user, secret)))
        return stores[-1]

    yield open_as
    for store in stores:
        store.close()


@pytest.mark.parametrize(
    ("policy", "prefix"), [(WHOLE, ""), (BELOW_A_PREFIX, "shop/")], ids=["whole-bucket", "below-a-prefix"]
)
async def test_a_policy_suffices(opened: Open, policy: dict[str, Any], prefix: str) -> None:
    store = opened(policy)
    assert await check_calls(store, f"{prefix}.imagejob-staging/") == "Pods upload outputs by POST Object"
    with pytest.raises(ObjectMissing):
        await store.stat(f"{prefix}missing")


async def test_nothing_outside_of_the_prefix_is_allowed(opened: Open) -> None:
    store = opened(BELOW_A_PREFIX)
    with pytest.raises(StoreDenied):
        await store.put("other/x", b"x", "text/plain")


@pytest.mark.parametrize("action", ACTIONS)
async def test_no_action_can_be_left_out(opened: Open, action: str) -> None:
    policy = deepcopy(WHOLE)
    for statement in policy["Statement"]:
        left = [one for one in statement["Action"] if one != action]
        statement["Action"] = left or ["s3:GetBucketLocation"]
    with pytest.raises(StoreDenied):
        await check_calls(opened(policy), "")
