"""The harness finds the bugs that it is there for."""

from __future__ import annotations

import pytest

from chaos.planted import BUGS, Bug, find


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.plant.__name__)
def test_a_planted_bug_is_found(bug: Bug) -> None:
    assert find(bug), f"{bug.plant.__name__} was not found by {bug.scenario!r}"
