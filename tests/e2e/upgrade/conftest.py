"""The operator of the last version on the cluster, and that of this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.upgrade.versions import Version, build, previous_revision, this_version
from e2e.world import World
from localcluster.cluster import Status
from localcluster.providers import cluster


@pytest.fixture(scope="module")
def versions(
    world: World, where: Status, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Version, Version]]:
    """The previous version and this one; this one is installed again at the end."""
    previous, archives = build(previous_revision(), tmp_path_factory.mktemp("previous"))
    for archive, tag in archives:
        cluster(where.name).load(archive, tag)
    this = this_version()
    yield previous, this
    this.install(world)
