"""The S3 servers and the API server that contract tests run against.

IMAGEJOB_TEST_STORE names one server: then the tests that need no server are deselected, and the others run
against that one.
"""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.conftest import Cluster, cluster  # noqa: F401  (a fixture)
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster import stores
from s3_servers.servers import USUAL, S3Server, chosen, serving
from simulated.api import connect


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests against the server that was chosen."""
    kind, here = chosen(), Path(__file__).parent
    if not kind:
        return
    others = [item for item in items if here in item.path.parents and server_of(item) != kind]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def server_of(item: pytest.Item) -> str:
    """The server that a test runs against; empty if it needs none."""
    kind: str = getattr(item, "callspec", None) and item.callspec.params.get("s3", "")  # type: ignore[attr-defined]
    return kind or ""


@pytest.fixture(scope="session", params=[chosen()] if chosen() else USUAL)
def s3(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running server."""
    folder = tmp_path_factory.mktemp(request.param) / "data"
    with serving(request.param, stores.Place(folder, *stores.free_ports(1))) as server:
        yield server


@pytest.fixture
async def kube(cluster: Cluster) -> AsyncIterator[KubeHTTP]:  # noqa: F811
    """An API server, by the operator's own way to ask it."""
    async with connect(Path(cluster.kubeconfig)) as http:
        yield http


@pytest.fixture
async def namespace(kube: KubeHTTP) -> AsyncIterator[str]:
    """A namespace under the restricted Pod Security standard."""
    name = f"contract-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    await kube.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    yield name
    await kube.request("DELETE", f"/api/v1/namespaces/{name}")
