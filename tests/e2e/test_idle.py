"""An operator with nothing to do writes nothing."""

from __future__ import annotations

import threading

from e2e.world import World

WINDOW = 60


def test_an_idle_operator_writes_nothing(world: World, figures: list[str]) -> None:
    since = world.audit.mark()
    # A span of time is what is measured here, so there is nothing to wait for but its end.
    threading.Event().wait(WINDOW)
    writes = world.audit.writes(since)
    figures.append(f"writes by an idle operator in {WINDOW} s: {len(writes)}")
    assert writes == [], "\n".join(map(str, writes))
