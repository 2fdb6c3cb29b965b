"""Hypothesis: few and always the same examples in the suite; `make fuzz` searches for new ones.

Fuzzers must not set `max_examples` themselves, so that the profile decides.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings

COMMON: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": [
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,
    ],
    # A test that plants a bug expects one error, not a group of them.
    "report_multiple_bugs": False,
}

settings.register_profile("hostile", max_examples=40, derandomize=True, **COMMON)
settings.register_profile("fuzz", max_examples=1000, print_blob=True, **COMMON)
settings.load_profile("hostile")
