"""What a status says of a run that has ended, and of staging that cannot be emptied."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from fakes.build import NOW, PREFIX, job, later, seen, spec, status
from fakes.memory_cluster import Script
from fakes.scripts import CRASHED, badly, well
from fakes.world import World
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import StagingStore
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.operation import Broken
from imagejob_operator.decision.phases.cleaning import deferral


@pytest.mark.parametrize("script", [well(run=90), badly(CRASHED)], ids=["succeeds", "fails"])
async def test_a_run_records_when_it_ended_and_how_long_it_took(script: Script) -> None:
    world = World(script)
    world.create()
    await world.run()
    run = world.job.status.run
    assert run is not None
    assert run.started_at is not None
    assert run.finished_at is not None
    took = run.finished_at - run.started_at
    assert NOW <= run.started_at < run.finished_at <= world.clock()
    minutes, seconds = divmod(int(took.total_seconds()), 60)
    assert run.duration == (f"{minutes}m{seconds}s" if minutes else f"{seconds}s")
    assert world.job.status.phase_since == run.finished_at


def test_an_active_run_has_no_end() -> None:
    decision = decide(seen(job(status(Phase.RUNNING)), now=later(3600)))
    assert decision.status.at is Phase.FAILING
    assert decision.status.run is not None
    assert (decision.status.run.finished_at, decision.status.run.duration) == (None, "")


def test_a_run_ends_at_a_whole_second() -> None:
    cancelled = spec(run={"mode": "Validate"}, cancelRunID="1")
    now = later(63) + timedelta(milliseconds=900)
    run = decide(seen(job(status(Phase.VALIDATING), cancelled), now=now)).status.run
    assert run is not None
    assert (run.finished_at, run.duration) == (later(63), "1m3s")


STORE = StagingStore(name="media", uid="uid-of-media", location="s3://s3.example/media/")


@pytest.mark.parametrize(
    ("reason", "advice"),
    [(Reason.STORE_NOT_FOUND, "create one for the same bucket"), (Reason.STORE_NOT_READY, "correct it")],
)
def test_what_is_left_in_a_closed_store_is_named_with_what_to_do(reason: Reason, advice: str) -> None:
    failing = status(Phase.FAILING)
    run = msgspec.structs.replace(failing.run, store=STORE)  # type: ignore[type-var]
    o = seen(job(msgspec.structs.replace(failing, run=run)))
    found = deferral(o, Broken(Failure(Code.CREATION, reason, "ImageStore media is away"), later(9)))
    place = f"s3://s3.example/media/{PREFIX.rsplit('/', 2)[0]}/"
    assert found.reason is reason
    assert found.message == (
        f"ImageStore media is away, so the staged objects under {place} cannot be deleted; "
        f"{advice}, or delete the objects, or rely on a lifecycle rule"
    )
