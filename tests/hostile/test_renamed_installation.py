"""The administrator renames an installation while jobs are in flight: no staging may be left silently."""

from __future__ import annotations

import logging

import pytest

from fakes.build import POLICY
from fakes.clock import ManualClock
from fakes.memory_owners import CLUSTER, FOLDER, GarbageCounts, MemoryOwners
from fakes.memory_store import MemoryStore
from fakes.world import KEY, World
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.observation import Policy
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.naming.prefixes import installation_of, staging_folder, staging_prefix
from imagejob_operator.ports.stores import OWN_STORE, StoreWithStaging

RENAMED = Policy(staging_folder("renamed", CLUSTER))


async def renamed(phase: Phase) -> World:
    """A world in which the installation got another name while its job was in a phase."""
    world = World(policy=POLICY)
    world.create()
    await world.run(until=lambda: world.phase == phase)
    assert world.staged()
    world.policy = RENAMED
    await world.restart()
    return world


@pytest.mark.parametrize("phase", [Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING])
async def test_a_job_in_flight_is_finished_and_its_staging_of_the_old_name_deleted(phase: Phase) -> None:
    world = await renamed(phase)
    await world.run()
    assert world.job.status.at is Phase.SUCCEEDED, world.error()
    assert world.staged() == []


@pytest.mark.parametrize("phase", [Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING])
async def test_a_job_that_is_deleted_leaves_no_staging_of_the_old_name(phase: Phase) -> None:
    world = await renamed(phase)
    world.cluster.user_deletes(KEY)
    await world.run(within=30)
    assert world.staged() == []
    assert world.operator.telemetry.deferrals == []


def test_only_staging_of_this_cluster_is_of_a_renamed_installation() -> None:
    own = staging_folder("default", CLUSTER)
    assert installation_of(f".imagejob-staging/{staging_folder('old', CLUSTER)}/", own) == "old"
    assert installation_of(f".imagejob-staging/old-{CLUSTER[:-1]}2/", own) == ""
    assert installation_of(f".imagejob-staging/{CLUSTER}/", own) == ""


async def test_what_the_old_name_left_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    store, owners = MemoryStore(clock), MemoryOwners()
    left = staging_prefix(
        staging_folder("old", CLUSTER), "shop", "0000aaaa-1111-2222-3333-444455556666", 1, 1
    )
    store.set(f"{left}in/0", b"x")
    schedule = GarbageSchedule(
        lambda: {"": StoreWithStaging(OWN_STORE, "", store)},
        lambda of, _: GarbageCollector(of, owners, GarbageCounts(), GarbagePolicy(FOLDER)),
        lambda uid: None,
        900,
    )
    with caplog.at_level(logging.INFO, "imagejob_operator"):
        await schedule.sweep_all()
        await schedule.sweep_all()
    ((sweeps, _),) = schedule.sweeps()
    assert (sweeps.left.foreign, sweeps.left.installations) == (1, ("old",))
    (record,) = (r for r in caplog.records if "other installations" in r.message)
    assert vars(record)["installations"] == ("old",)
    assert store.keys(left), "it is not deleted: another installation may be using it"
