"""What the operator counts, as somebody reads it."""

from __future__ import annotations

import pytest

from imagejob_operator.adapters.metrics import Metrics
from imagejob_operator.core.deferral import DEFERRALS
from imagejob_operator.core.failure import Reason


@pytest.mark.parametrize("reason", DEFERRALS)
def test_deferred_cleanings_are_counted_by_reason_from_zero(reason: Reason) -> None:
    metrics = Metrics(list)
    name, labels = "imagejob_cleaning_deferred_total", {"reason": reason.value}
    assert metrics.registry.get_sample_value(name, labels) == 0
    metrics.deferred(reason)
    assert metrics.registry.get_sample_value(name, labels) == 1
