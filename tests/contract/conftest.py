"""The S3 servers and the API server that contract tests run against.

IMAGEJOB_TEST_STORE names one server: then the tests that need no server are deselected, and the others run
against that one.
"""

import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cluster.conftest import Cluster, cluster  # noqa: F401  (a fixture)
from contract.store_checks import NEEDS
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster import stores
from s3_servers.servers import USUAL, S3Server, chosen, fits, serving
from simulated.api import connect


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that are for their server, and of those the ones for the server that was chosen."""
    here = Path(__file__).parent
    others = [item for item in items if here in item.path.parents and not _is_wanted(item)]
    items[:] = [item for item in items if item not in others]
    config.hook.pytest_deselected(items=others)


def _is_wanted(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    server = parameters.get("s3", "")
    check = getattr(parameters.get("check"), "__name__", "")
    needs = [NEEDS[check]] if check in NEEDS and server else []
    needs += [need for mark in item.iter_markers("needs") for need in mark.args]
    return server == (chosen() or server) and all(fits(need, server) for need in needs)


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
