"""From a wanted status to the one that is written: times, generation, conditions, legal moves."""

from __future__ import annotations

import msgspec

from imagejob_operator.api.errors import Failure
from imagejob_operator.api.phase import TERMINAL, Phase, check_move
from imagejob_operator.api.status import RunStatus, Status, duration_text
from imagejob_operator.decision.conditions import with_conditions
from imagejob_operator.decision.observation import Observation


def next_status(
    o: Observation, wanted: Status, note: str | Failure = "", cleaned: bool | str | None = None
) -> Status:
    """Complete a wanted status: observedGeneration, phaseSince, end of the run, all conditions.

    Raises:
        IllegalMove: if the phase may not follow the current one.
    """
    before, now = o.job.status, o.now.replace(microsecond=0)
    phase = wanted.at
    check_move(before.at, phase)
    moved = phase != before.at or not before.phase
    run = wanted.run
    if moved and phase in TERMINAL and run is not None:
        run = _finished(o, run)
    complete = msgspec.structs.replace(
        wanted,
        observed_generation=o.job.generation,
        phase=phase.value,
        phase_since=now if moved else before.phase_since,
        run=run,
        error=None if phase in (Phase.PENDING, Phase.SUCCEEDED) else wanted.error,
    )
    return with_conditions(complete, before, now, note, cleaned, launched=o.launched(run))


def _finished(o: Observation, run: RunStatus) -> RunStatus:
    duration = duration_text(o.now - (run.started_at or o.now))
    return msgspec.structs.replace(run, finished_at=o.now.replace(microsecond=0), duration=duration)
