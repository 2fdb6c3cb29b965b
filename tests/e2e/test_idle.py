"""An operator with nothing to do writes nothing but its Lease."""

from __future__ import annotations

import threading

from e2e.world import World

WINDOW = 60


def test_an_idle_operator_writes_nothing_but_its_lease(world: World, figures: list[str]) -> None:
    since = world.audit.mark()
    # A span of time is what is measured here, so there is nothing to wait for but its end.
    threading.Event().wait(WINDOW)
    writes = world.audit.writes(since)
    renewals = [write for write in writes if write.resource == "leases"]
    others = [write for write in writes if write not in renewals]
    figures.append(
        f"writes by an idle operator in {WINDOW} s: {len(others)}, and {len(renewals)} of its Lease"
    )
    assert others == [], "\n".join(map(str, others))
    assert {(write.verb, write.code) for write in renewals} == {("update", 200)}
