"""Hypothesis without a stopwatch: on a new machine it first makes its table of Unicode, for seconds.

What a test may take in all is held by pytest's own timeout.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("project")
