"""The judgement of a soak: what grows is found, what only trembles is not; a restart hides nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soak.verdict import MOST, Sample, curve, judge

JOBS = 5000
FLAT = 110e6


def run_of(resident: Callable[[int], float], restarted_at: int = JOBS + 1) -> list[Sample]:
    """A sample every ten jobs."""
    return [
        Sample(done, done / 2.5, resident(done), began=float(done >= restarted_at), cpu=done / 50, files=40)
        for done in range(0, JOBS + 1, 10)
    ]


def warming(done: int) -> float:
    return FLAT - 40e6 * max(0.0, 1 - done / 400)


def leak(bytes_a_job: float) -> Callable[[int], float]:
    return lambda done: warming(done) + bytes_a_job * done


@pytest.mark.parametrize(
    "resident",
    [warming, leak(1000), lambda done: warming(done) + (30e6 if done % 200 == 0 else 0)],
    ids=["flat-after-warming-up", "a-little-growth", "single-peaks"],
)
def test_what_does_not_grow_by_a_tenth_is_well(resident: Callable[[int], float]) -> None:
    verdict = judge(run_of(resident), JOBS)
    assert verdict.objections == ()
    assert verdict.ratio < MOST


@pytest.mark.parametrize(
    "resident",
    [leak(3000), lambda done: FLAT + (15e6 if done > 2500 else 0)],
    ids=["three-kilobytes-a-job", "a-late-step"],
)
def test_what_grows_by_a_tenth_is_found(resident: Callable[[int], float]) -> None:
    verdict = judge(run_of(resident), JOBS)
    assert verdict.ratio >= MOST
    assert verdict.objections[0].startswith(f"memory has grown to {verdict.ratio:.3f} of what it was")


def test_a_restart_hides_nothing() -> None:
    objections = judge(run_of(warming, restarted_at=4000), JOBS).objections
    assert objections == ("the operator was restarted 1 times",)


def test_a_run_that_ended_early_is_not_judged() -> None:
    with pytest.raises(ValueError, match="0 at the end"):
        judge([sample for sample in run_of(warming) if sample.jobs < 4000], JOBS)


def test_the_curve_is_the_median_of_equal_parts() -> None:
    points = curve(run_of(leak(1000)), 10)
    assert [done for done, _ in points] == list(range(500, JOBS + 1, 500))
    assert points[0][1] < points[-1][1]
    assert points[-1][1] == pytest.approx(FLAT + 1000 * 4755, rel=0.001)
