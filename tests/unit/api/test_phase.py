"""The allowed transitions between phases."""

import itertools

import pytest

from imagejob_operator.api.phase import COMPENSATING, FORWARD, MOVES, TERMINAL, IllegalMove, Phase, check_move

LEGAL = """
Pending    -> Validating Staging Suspended Failed Cancelled
Validating -> Succeeded Suspended Failed Cancelled
Staging    -> Launching Publishing Suspended Failing Cancelling
Launching  -> Running Publishing Suspended Failing Cancelling
Running    -> Publishing Suspended Failing Cancelling
Publishing -> Succeeded Suspended Failing Cancelling
Suspended  -> Pending Staging Failing Cancelling
Failing    -> Failed Succeeded
Cancelling -> Cancelled Succeeded
Succeeded  -> Pending
Failed     -> Pending
Cancelled  -> Pending
"""
PAIRS = {
    (Phase(old.strip()), Phase(new))
    for old, _, news in (line.partition("->") for line in LEGAL.strip().splitlines())
    for new in news.split()
}


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Phase, Phase)))
def test_a_move_is_legal_exactly_if_the_table_says_so_or_into_a_deletion(old: Phase, new: Phase) -> None:
    if old == new or (old, new) in PAIRS or new is Phase.DELETING:
        check_move(old, new)
    else:
        with pytest.raises(IllegalMove, match=f"invalid phase transition from {old} to {new}"):
            check_move(old, new)


def test_every_phase_is_in_the_table() -> None:
    assert set(MOVES) == set(Phase)
    beside = {Phase.SUSPENDED, Phase.VALIDATING, Phase.DELETING}
    assert set(FORWARD) | COMPENSATING | TERMINAL | beside == set(Phase)
    assert len(FORWARD) + len(COMPENSATING) + len(TERMINAL) + len(beside) == len(Phase)


def test_every_phase_can_reach_a_terminal_phase() -> None:
    for phase in set(Phase) - {Phase.DELETING}:
        reached, todo = set(), [phase]
        while todo:
            at = todo.pop()
            if at not in reached:
                reached.add(at)
                todo.extend(MOVES[at])
        assert reached & TERMINAL, phase


def test_a_terminal_phase_is_left_only_for_a_new_run() -> None:
    assert all(MOVES[phase] == {Phase.PENDING} for phase in TERMINAL)


def test_nothing_follows_a_deletion() -> None:
    assert not MOVES[Phase.DELETING]
