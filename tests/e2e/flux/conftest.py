"""Flux on the cluster of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.flux.controllers import Flux
from e2e.flux.repository import Repository
from e2e.world import Shop, World


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    flux = getattr(item, "funcargs", {}).get("flux")
    if report.failed and isinstance(flux, Flux):
        report.sections.append(("the controllers of Flux", flux.logs()))
    return report


@pytest.fixture(scope="session")
def flux(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flux]:
    """CRDs, rights, and a running source-controller."""
    made = Flux(world.kubectl, tmp_path_factory.mktemp("flux"))
    made.install()
    with made.sources():
        yield made
        with made.applier():
            made.uninstall()


@pytest.fixture(scope="module")
def applier(flux: Flux, request: pytest.FixtureRequest) -> Iterator[Flux]:
    """A running kustomize-controller, with the flags of a release, and those of the module's tests."""
    with flux.applier(*getattr(request.module, "FLAGS", ())):
        yield flux


@pytest.fixture
def fleet(shop: Shop, applier: Flux) -> Iterator[Repository]:
    """A repository for the namespace of a test; at the end Flux prunes all that it applied."""
    made = Repository(shop)
    yield made
    made.remove()
