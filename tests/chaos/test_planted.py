"""The harness finds the bugs that it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chaos.arena import Arena
from chaos.kills import kill_at, undisturbed
from chaos.planted import BUGS, Bug
from chaos.scenarios import BY_NAME
from chaos.spread import spread

SHORT = 100


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.plant.__name__)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    base = undisturbed(BY_NAME[bug.scenario])
    planted = replace(base.scenario, setup=replace(base.scenario.setup, bug=bug.plant))
    found = Arena(planted).run().wrongs
    if len(base.requests) < SHORT:
        points = [(base, at, bug.moment) for at in range(len(base.requests))]
        found += [
            text for tally in spread(lambda p: kill_at(p, planted), points) for text in tally.divergences
        ]
    assert found, f"{bug.plant.__name__} was not found by {bug.scenario!r}"
