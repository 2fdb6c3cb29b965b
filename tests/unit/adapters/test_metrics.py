"""What the operator counts, as somebody reads it."""

from __future__ import annotations

import pytest

from fakes.build import job, status
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.phases.cleaning import DEFERRALS


@pytest.mark.parametrize("reason", DEFERRALS)
def test_deferred_cleanings_are_counted_by_reason_from_zero(reason: Reason) -> None:
    metrics = Metrics()
    name, labels = "imagejob_cleaning_deferred_total", {"reason": reason.value, "store": "default"}
    assert metrics.registry.get_sample_value(name, labels) == 0
    metrics.deferred(job(status(Phase.RUNNING)), reason)
    assert metrics.registry.get_sample_value(name, labels) == 1
