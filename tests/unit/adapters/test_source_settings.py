"""What an administrator may say of sources, and Secrets by the API server's answers."""

from __future__ import annotations

import base64
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.secrets import KubeSecrets
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.ports.secrets import Secret, SecretUnreadable
from imagejob_operator.settings import read_settings

NEEDED = {
    "IMAGEJOB_STORE_ENDPOINT": "s:9000",
    "IMAGEJOB_STORE_BUCKET": "media",
    "IMAGEJOB_STORE_ACCESS_KEY": "a",
    "IMAGEJOB_STORE_SECRET_KEY": "s",
    "IMAGEJOB_PROCESSOR_IMAGE": "i",
    "POD_NAMESPACE": "n",
    "POD_NAME": "p",
}
TENANT = Path(__file__).parents[3] / "manifests" / "tenant" / "source-headers.yaml"


class Server:
    """Answers every request the same, and keeps what it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def request(self, verb: str, path: str) -> dict[str, Any]:
        self.asked.append((verb, path))
        if isinstance(self.answer, Exception):
            raise self.answer
        found: dict[str, Any] = self.answer
        return found


def test_nothing_is_allowed_by_default() -> None:
    settings = read_settings(NEEDED)
    assert settings.source_allowed_networks == settings.source_blocked_networks == ()
    assert settings.source_proxy == ""


def test_networks_and_a_proxy() -> None:
    given = {
        "IMAGEJOB_SOURCE_ALLOWED_NETWORKS": "10.1.0.0/16, fd00::/8",
        "IMAGEJOB_SOURCE_BLOCKED_NETWORKS": "34.118.224.0/20",
        "IMAGEJOB_SOURCE_PROXY": "http://me:secret@proxy:3128/",
    }
    settings = read_settings({**NEEDED, **given})
    assert settings.source_allowed_networks == (ip_network("10.1.0.0/16"), ip_network("fd00::/8"))
    assert settings.source_blocked_networks == (ip_network("34.118.224.0/20"),)
    assert settings.source_proxy == "http://me:secret@proxy:3128"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SOURCE_ALLOWED_NETWORKS", "10.1.0.1/16"),
        ("SOURCE_ALLOWED_NETWORKS", "everything"),
        ("SOURCE_BLOCKED_NETWORKS", "10.0.0.0/33"),
        ("SOURCE_PROXY", "proxy:3128"),
        ("SOURCE_PROXY", "https://proxy:3128"),
        ("SOURCE_PROXY", "http://proxy:3128/path"),
        ("SOURCE_PROXY", "http://me:secret@proxy"),
    ],
)
def test_what_is_neither_is_named(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=f"^IMAGEJOB_{name}") as refusal:
        read_settings({**NEEDED, f"IMAGEJOB_{name}": value})
    assert "secret" not in str(refusal.value)


async def test_a_secret_is_read_by_its_name() -> None:
    data = {"Authorization": base64.b64encode(b"Bearer t").decode()}
    server = Server({"metadata": {"annotations": {"a": "b"}}, "data": data})
    found = await KubeSecrets(server).read("shop", "web")  # type: ignore[arg-type]
    assert found == Secret({"Authorization": "Bearer t"}, {"a": "b"})
    assert "Bearer" not in repr(found)
    assert server.asked == [("GET", "/api/v1/namespaces/shop/secrets/web")]
    assert await KubeSecrets(Server({})).read("shop", "web") == Secret({}, {})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (404, "there is no Secret 'web' in namespace 'shop'"),
        (403, "Role that allows get on it"),
        (0, "cannot be read: why"),
        (500, "cannot be read: why"),
    ],
)
async def test_a_secret_that_cannot_be_read_says_why(status: int, says: str) -> None:
    with pytest.raises(SecretUnreadable) as refusal:
        await KubeSecrets(Server(ApiError(status, "", "why"))).read("shop", "web")  # type: ignore[arg-type]
    assert says in str(refusal.value)


def test_the_tenants_role_admits_one_secret_and_nothing_else() -> None:
    role, binding = yaml.safe_load_all(TENANT.read_text())
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["source-headers"], "verbs": ["get"]}
    ]
    assert (role["kind"], binding["kind"]) == ("Role", "RoleBinding")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "imagejob-operator", "namespace": "imagejob-system"}
    ]
