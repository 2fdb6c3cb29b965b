"""The garbage collector's counts as the alerts read them, and its settings."""

from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import generate_latest

from fakes.build import job, status
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.decision.garbage import Mode, Orphans
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.garbage.schedule import StoreSweeps
from imagejob_operator.settings import read_settings

NEEDED = {
    "IMAGEJOB_STORE_ENDPOINT": "store:9000",
    "IMAGEJOB_STORE_BUCKET": "media",
    "IMAGEJOB_PROCESSOR_IMAGE": "image",
    "POD_NAMESPACE": "imagejob-system",
    "POD_NAME": "imagejob-operator-a",
}


def values(metrics: Metrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def sweeps(store: str, left: Orphans | None = None) -> StoreSweeps:
    found = StoreSweeps(store, 0.0, left or Orphans())
    found.deleted(7)
    found.sweep_failed()
    return found


def test_what_the_sweeps_of_each_store_left() -> None:
    metrics = Metrics()
    left = Orphans(9, 1, 2, 3, timedelta(hours=2), 5, 6, 8, ("old",))
    both = [(sweeps("default", left), 60.0), (sweeps("shop/media"), 7200.0)]
    is_leader = [False]
    metrics.watch(lambda: (), lambda: is_leader[0], (), lambda: both)
    assert not any("orphan" in name for name in values(metrics)), "only the leader sweeps"
    is_leader[0] = True
    found = values(metrics)
    names = ("prefixes", "objects", "bytes", "oldest_seconds", "waiting_objects")
    own, other = '{store="default"}', '{store="shop/media"}'
    assert [found[f"imagejob_orphan_{name}{own}"] for name in names] == [1, 2, 3, 7200, 5]
    assert [found[f"imagejob_orphan_{name}{other}"] for name in names] == [0, 0, 0, 0, 0]
    assert found[f"imagejob_staging_unknown_prefixes{own}"] == 6
    assert found['imagejob_staging_foreign_prefixes{cluster="own",store="default"}'] == 1
    assert found['imagejob_staging_foreign_prefixes{cluster="other",store="default"}'] == 7
    assert found[f"imagejob_garbage_deleted_objects_total{own}"] == 7
    assert found[f"imagejob_garbage_sweep_errors_total{own}"] == 1
    assert found[f"imagejob_garbage_sweep_age_seconds{own}"] == 60
    assert found[f"imagejob_garbage_sweep_age_seconds{other}"] == 7200


def test_what_the_administrator_may_say() -> None:
    assert read_settings(NEEDED).sweep_mode is Mode.DELETE
    assert read_settings(NEEDED).sweep_interval_seconds == 900
    given = {"IMAGEJOB_SWEEP_MODE": "Report", "IMAGEJOB_SWEEP_INTERVAL_SECONDS": "60"}
    settings = read_settings({**NEEDED, **given})
    assert (settings.sweep_mode, settings.sweep_interval_seconds) == (Mode.REPORT, 60)
    for wrong in ("delete", "yes"):
        with pytest.raises(InvalidSettings, match=r"IMAGEJOB_SWEEP_MODE is .*one of Delete, Report, Off"):
            read_settings({**NEEDED, "IMAGEJOB_SWEEP_MODE": wrong})


def test_how_long_reports_stay() -> None:
    assert read_settings(NEEDED).report_retention_days is None
    given = {**NEEDED, "IMAGEJOB_REPORT_RETENTION_DAYS": "30"}
    assert read_settings(given).report_retention_days == 30
    with pytest.raises(InvalidSettings, match="IMAGEJOB_REPORT_RETENTION_DAYS is '0'"):
        read_settings({**NEEDED, "IMAGEJOB_REPORT_RETENTION_DAYS": "0"})


async def test_leader_jobs_and_queues_are_read_at_each_scrape() -> None:
    metrics, is_leader, queues = Metrics(), [False], Queues()
    metrics.watch(lambda: [job(status(Phase.RUNNING))], lambda: is_leader[0], queues)
    found = values(metrics)
    assert found["imagejob_leader"] == 0
    assert not any(name.startswith("imagejob_jobs") for name in found), "only the leader counts jobs"
    is_leader[0] = True
    queues.imagestores.add(Key("shop", "media"))
    found = values(metrics)
    assert found["imagejob_leader"] == found['imagejob_jobs{code="",phase="Running"}'] == 1
    assert found['imagejob_workqueue_depth{queue="jobs"}'] == 0
    assert found['imagejob_workqueue_depth{queue="imagestores"}'] == 1


@pytest.mark.parametrize("name", ["POD_NAME", "POD_NAMESPACE"])
def test_a_replica_must_know_its_name_and_place(name: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        read_settings({**NEEDED, name: ""})


@pytest.mark.parametrize("wrong", ["Shop", "a_b", "-a", "a/b", "a" * 51])
def test_a_name_of_an_installation_that_no_lease_can_have_is_refused(wrong: str) -> None:
    assert read_settings({**NEEDED, "IMAGEJOB_INSTALLATION": "a" * 50}).installation == "a" * 50
    with pytest.raises(InvalidSettings, match="INSTALLATION"):
        read_settings({**NEEDED, "IMAGEJOB_INSTALLATION": wrong})
