"""The stack of the end-to-end tests: the shipped manifests and images on a real cluster.

IMAGEJOB_TEST_CLUSTER names a local cluster (default `test`); IMAGEJOB_TEST_KUBECONFIG another one, whose
nodes must have our images already. IMAGEJOB_TEST_STORE names an S3 server: it runs on this machine, and the
operator uses it instead of the shipped MinIO.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest
from kubernetes import config

from demo import photos, stack
from demo.kubectl import Kubectl
from demo.stack import Store
from e2e.faults import results
from e2e.faults.arena import unregister
from e2e.faults.cases import CASES, OF_EVERY_STORE
from e2e.faults.pictures import pictures
from e2e.faults.results import Row
from e2e.world import Shop, World
from localcluster import stores
from localcluster.cluster import Status
from localcluster.images import TEST_NAMES
from localcluster.paths import layout
from localcluster.providers import cluster as find_cluster
from s3_servers.servers import chosen, serving

LAST = "test_whole_run.py"
"""Tests of what all others left."""
OVERLAY = Path(__file__).parent / "stack"
"""The demo with the store of the tests."""

ROWS: pytest.StashKey[list[Row]] = pytest.StashKey()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path.name == LAST)
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(240, func_only=True))
            if getattr(getattr(item, "callspec", None), "params", {}).get("name") in OF_EVERY_STORE:
                item.add_marker(pytest.mark.conformance)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    shop = getattr(item, "funcargs", {}).get("shop")
    if report.failed and isinstance(shop, Shop):
        report.sections.append(("the namespace, the operator", shop.diagnosis()))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash[ROWS]:
        terminalreporter.section("failure matrix")
        for line in results.table(config.stash[ROWS]):
            terminalreporter.write_line(line)
        terminalreporter.write_line(results.keep_rows(config.stash[ROWS], CASES))


@pytest.fixture(scope="session")
def rows(request: pytest.FixtureRequest) -> list[Row]:
    """Rows of the failure matrix, for the end of the output."""
    return request.config.stash[ROWS]


def _seen(request: pytest.FixtureRequest) -> AbstractContextManager[None]:
    """Show the progress of the cluster, which may take minutes to start."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    return capture.global_and_fixture_disabled() if capture else nullcontext()


@pytest.fixture(scope="session")
def stacked(request: pytest.FixtureRequest) -> Iterator[tuple[Kubectl, Status]]:
    """A cluster with the stack."""
    given = os.environ.get("IMAGEJOB_TEST_KUBECONFIG", "")
    if given:
        beside = Path(given).parent.name
        known = layout(beside).kubeconfig == Path(given)
        program = Path(shutil.which("kubectl") or find_cluster("test").binaries() / "kubectl")
        kubectl = Kubectl(program, Path(given))
        with _seen(request):
            stack.install(kubectl, [], OVERLAY)
        stranger = Status(beside, "given", healthy=True, why_not="", root="", kubeconfig=given)
        yield kubectl, find_cluster(beside).status() if known else stranger
        return
    name = os.environ.get("IMAGEJOB_TEST_CLUSTER", "test")
    where = find_cluster(name)
    was_up = where.status().healthy
    try:
        with _seen(request):
            where.up()
            kubectl = Kubectl(where.binaries() / "kubectl", layout(name).kubeconfig)
            stack.install(kubectl, stack.load_images(where, stack.build_images(TEST_NAMES)), OVERLAY)
        yield kubectl, where.status()
    finally:
        if not was_up:
            with _seen(request):
                where.down()


@pytest.fixture(scope="session")
def where(stacked: tuple[Kubectl, Status]) -> Status:
    """The cluster, as its provider knows it."""
    return stacked[1]


@pytest.fixture(scope="session")
def pictures_address(where: Status) -> Iterator[str]:
    """A web server with photos, on this machine."""
    with pictures(where.host_address or "127.0.0.1") as address:
        yield address


@pytest.fixture(scope="session")
def store(
    stacked: tuple[Kubectl, Status], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, str]]:
    """The operator's store, and its endpoint if it is not the shipped one."""
    kubectl, cluster = stacked
    with stack.reach_store(kubectl) as shipped:
        if not chosen():
            yield shipped, ""
            return
        keys = stack.store_keys(kubectl)
        folder = tmp_path_factory.mktemp(chosen()) / "data"
        place = stores.Place(folder, *stores.free_ports(1), cluster.host_address, *keys)
        with (
            serving(chosen(), place) as server,
            stack.open_store(server.endpoint, shipped.bucket, *keys) as other,
        ):
            other.client.make_bucket(other.bucket)
            yield other, server.endpoint


@pytest.fixture(scope="session")
def world(
    stacked: tuple[Kubectl, Status], store: tuple[Store, str], pictures_address: str
) -> Iterator[World]:
    """The stack with the shipped settings, except for the tests' web server and their store."""
    kubectl, cluster = stacked
    with config.new_client_from_config(str(kubectl.kubeconfig)) as api:
        made = World(kubectl, api, store[0], cluster.audit_log, pictures_address, store[1])
        # A session that was killed may have left the operator with a test's settings, or an outage.
        made.reset_operator()
        made.end_outage()
        unregister(made)
        yield made


@pytest.fixture
def shop(world: World) -> Iterator[Shop]:
    """A namespace for each test; at its end all jobs are deleted and no traces may be left."""
    made = Shop(world, f"e2e-{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def large_photo() -> bytes:
    """12 megapixels: keeps a processor busy for about a second."""
    return photos.photo(photos.LARGE)
