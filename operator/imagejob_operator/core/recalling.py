"""A run that has been published before: the ImageJob is new, and what it asks for is not."""

from __future__ import annotations

import msgspec

from imagejob_operator.core.effort import Recalled
from imagejob_operator.core.ending import end_run
from imagejob_operator.core.observation import Decision, Observation
from imagejob_operator.core.phase import Phase
from imagejob_operator.core.status import ALREADY_PUBLISHED, OutputCounts, RunStatus


def end_recalled(o: Observation, recalled: Recalled) -> Decision:
    """End at once as what the report of then says; nothing was staged."""
    status, run = o.job.status, o.job.status.run or RunStatus()
    items = recalled.items
    wanted = msgspec.structs.replace(
        status,
        run=msgspec.structs.replace(run, outcome=ALREADY_PUBLISHED),
        items=items,
        progress=f"{items.finished}/{items.total}",
        outputs=OutputCounts(recalled.objects, recalled.bytes),
        report=recalled.report,
    )
    return end_run(o, wanted, Phase.SUCCEEDED, None, cleaned=True)
