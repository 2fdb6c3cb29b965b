"""After all other end-to-end tests: the rights that were used, and what the operator's log reveals."""

from __future__ import annotations

from architecture.test_rbac import RBAC, granted
from demo.stack import NAMESPACE, OPERATOR
from e2e.secrecy import revealed
from e2e.world import World
from localcluster.paths import repository

TENANT = repository() / "manifests" / "tenant" / "imagestore-role.yaml"
GRANTED = {
    *granted(RBAC, OPERATOR),
    *granted(RBAC, OPERATOR, "Role"),
    *granted(TENANT, "imagejob-store", "Role"),
}


def test_every_right_that_is_granted_was_used(world: World, figures: list[str]) -> None:
    used = world.audit.uses()
    figures.append(f"rights of the operator: {len(GRANTED)} granted, {len(used)} used")
    figures.extend(
        f"  {verb:7} {'.'.join(filter(None, (resource, group)))}" for group, resource, verb in sorted(used)
    )
    assert GRANTED - used == set(), "granted and not used; a run of single tests does not use all"
    assert used - GRANTED == set(), "used, and granted by no manifest"


def test_the_log_of_the_operator_reveals_nothing(world: World) -> None:
    log = world.kubectl("logs", f"deployment/{OPERATOR}", "-n", NAMESPACE)
    assert log
    assert revealed(log, world.hidden) == []
