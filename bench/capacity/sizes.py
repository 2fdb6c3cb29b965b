"""How large the parts are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """The numbers of objects; the defaults are those that the page has."""

    live: int = 10_000
    """ImageJobs that exist."""
    active: int = 1_000
    """Those of them with a running Pod."""
    items: int = 100_000
    """Sources of one ImageJob."""
    probes: int = 200
    """ImageJobs that are created one a second."""
    queued: int = 5_000
    """ImageJobs of another namespace that are created before the probes."""
    pairs: int = 20
    """ImageJobs and bare Pods that are compared."""
    burst: int = 200
    """ImageJobs under pressure."""
