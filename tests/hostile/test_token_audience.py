"""The author of an ImageStore names a ServiceAccount, an audience, and the endpoint that receives the token.

A token for the audience of the API server would give the owner of that endpoint the rights of the account.
"""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest

from imagejob_operator.adapters.kubernetes.imagestores import KubeImageStores
from imagejob_operator.adapters.kubernetes.session import api_audiences
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.ports.imagestores import NotUsable

API = ["https://kubernetes.default.svc.cluster.local", "k3s"]


def configuration(audiences: object) -> Any:
    """The operator's own token, as the kubelet mounts it."""
    payload = base64.urlsafe_b64encode(json.dumps({"aud": audiences}).encode()).decode().rstrip("=")
    return SimpleNamespace(api_key={"BearerToken": f"Bearer e30.{payload}.c2ln"})


class Server:
    """Issues every token."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def request(self, verb: str, path: str, body: object = None) -> dict[str, Any]:
        self.asked.append(body)
        return {"status": {"token": "a.b.c"}}


@pytest.mark.parametrize("audience", API)
async def test_no_token_for_the_api_server_leaves_the_cluster(audience: str) -> None:
    """The ImageStore is refused, and no token is requested."""
    server = Server()
    stores = KubeImageStores(server, api_audiences(configuration(API)))  # type: ignore[arg-type]
    with pytest.raises(NotUsable) as refusal:
        await stores.token("shop", "robot", audience)
    assert refusal.value.reason is StoreReason.INVALID_SPEC
    assert audience in str(refusal.value)
    assert "spec.auth.webIdentity.audience" in str(refusal.value)
    assert server.asked == []


async def test_the_audience_of_a_token_service_is_served() -> None:
    """The guard must not stop the feature."""
    server = Server()
    stores = KubeImageStores(server, api_audiences(configuration(API)))  # type: ignore[arg-type]
    assert await stores.token("shop", "robot", "sts.amazonaws.com") == "a.b.c"
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("token", "found"),
    [
        (configuration("one"), {"one"}),
        (configuration(API), set(API)),
        (configuration([1, None]), set()),
        (configuration(None), set()),
        (SimpleNamespace(api_key={"BearerToken": "Bearer opaque"}), set()),
        (SimpleNamespace(api_key={"BearerToken": "Bearer a.%%%.c"}), set()),
        (SimpleNamespace(api_key={}), set()),
    ],
)
def test_audiences_of_a_token(token: Any, found: set[str]) -> None:
    """With a kubeconfig there may be no token, or one that is not a JWT."""
    assert api_audiences(token) == found
