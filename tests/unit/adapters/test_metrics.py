"""What the operator counts, as somebody reads it."""

from __future__ import annotations

import pytest

from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.phases.cleaning import DEFERRALS


@pytest.mark.parametrize("reason", DEFERRALS)
def test_deferred_cleanings_are_counted_by_reason_from_zero(reason: Reason) -> None:
    metrics = Metrics()
    name, labels = "imagejob_cleaning_deferred_total", {"reason": reason.value}
    assert metrics.registry.get_sample_value(name, labels) == 0
    metrics.deferred(reason)
    assert metrics.registry.get_sample_value(name, labels) == 1
