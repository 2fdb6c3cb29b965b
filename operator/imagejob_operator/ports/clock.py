"""Time and randomness, passed as values so that tests control them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
"""The wall clock, in UTC."""
Random = Callable[[], float]
"""A random number from 0 to 1, for jitter."""
