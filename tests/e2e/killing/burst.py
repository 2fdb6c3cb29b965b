"""Many jobs at once, and their outcome."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from e2e.audit import pods_made
from e2e.killing.kinds import KINDS
from e2e.killing.look import create, jobs, look, undisturbed
from e2e.killing.verdict import doubled, objections
from e2e.world import Shop, ended, until

WELL = KINDS[0]
ENOUGH = 12
"""Jobs that are left at least when something happens to a replica."""


class Burst:
    """Many jobs at once, and their outcome."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._wanted = undisturbed(shop)
        self._since = shop.world.audit.mark()
        self._names: list[str] = []

    def begin(self, count: int) -> None:
        """Create more jobs at once; their Pods wait for each other."""
        names = [f"job-{number}" for number in range(len(self._names), len(self._names) + count)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda name: create(self._shop, WELL, name, startDeadlineSeconds=3600), names))
        self._names += names

    def keep_up(self) -> None:
        """Keep enough unfinished jobs for a takeover to be measured."""
        left = sum(not ended(job) for job in jobs(self._shop).values())
        if left < ENOUGH:
            self.begin(ENOUGH)

    def result(self) -> dict[str, Any]:
        """Wait for all jobs, and compare each with its expected outcome."""
        within = 120 + 3 * len(self._names)
        until("all have ended", lambda: all(ended(job) for job in jobs(self._shop).values()), within)
        self._shop.await_clean()
        made = pods_made(self._shop.world.audit.writes(self._since, namespace=self._shop.name))
        found = jobs(self._shop)
        seen = [look(self._shop, name, found[name], made) for name in self._names]
        return {
            "jobs": len(seen),
            "pods": len(made),
            "wrongEnds": [f"{s.name}: {o}" for s in seen for o in objections(WELL, s, self._wanted)],
            "doubledLaunches": [f"{s.name}: {o}" for s in seen for o in doubled(WELL, s)],
        }
