"""The checks at the end of every case: a pure function, so that it can be tested itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Protocol

from e2e.world import Job, condition, verdict
from imagejob_operator.api.errors import CATALOGUE, Code, Failure, Reason


class Expected(Protocol):
    """The part of a case that the verdict needs."""

    @property
    def ends(self) -> str: ...
    @property
    def limit(self) -> float: ...
    @property
    def evidence(self) -> tuple[str, ...]: ...
    @property
    def photos(self) -> tuple[str, ...]: ...
    @property
    def attempts(self) -> str: ...
    @property
    def outputs(self) -> int | None: ...
    @property
    def deferred(self) -> bool: ...
    @property
    def kept(self) -> int: ...


@dataclass(frozen=True)
class Outcome:
    """The state after a case."""

    job: Job | None
    """As it is after all checks; None if it is gone."""
    ended: Job | None
    """As it was when it was first seen Finished."""
    seconds: float
    staging: list[str]
    left: list[str]
    """Live Pods, and Secrets beyond those of the Pods that are kept."""
    kept: int
    events: list[tuple[str, str]]
    outputs: list[str]
    missed: list[str]
    """Faults that never struck: then nothing was shown."""


def objections(case: Expected, outcome: Outcome) -> list[str]:
    """All violations; empty if there are none."""
    found = [f"the fault on {missed} never struck" for missed in outcome.missed]
    if outcome.seconds > case.limit:
        found.append(f"it took {outcome.seconds:.1f} s, at most {case.limit:.0f} s were promised")
    found += [f"left in staging: {key}" for key in outcome.staging]
    found += [f"left behind: {name}" for name in outcome.left]
    if outcome.kept != case.kept:
        found.append(f"{outcome.kept} Pods are kept, not {case.kept}")
    if case.ends == "Deleted":
        return found + _of_deleted(case, outcome)
    if outcome.job is None or outcome.ended is None:
        return [*found, "the job is gone"]
    found += _of_status(case, outcome.ended)
    found += _of_events(case, outcome)
    if not _stays(outcome.ended, outcome.job):
        found.append(f"the end did not stay: {verdict(outcome.ended)}, then {verdict(outcome.job)}")
    wanted = case.outputs if case.outputs is not None else len(case.photos) * _succeeds(case)
    if len(outcome.outputs) != wanted:
        found.append(f"{len(outcome.outputs)} outputs, not {wanted}: {outcome.outputs}")
    return found


def _stays(ended: Job, later: Job) -> bool:
    """Whether it still says so, or the history does, once the next run has begun."""
    past = later["status"].get("history", [])
    of_run = [(r["phase"], r.get("code", ""), r.get("reason", "")) for r in past if _same_run(r, ended)]
    return verdict(ended) in [verdict(later), *of_run]


def _same_run(past: dict[str, Any], ended: Job) -> bool:
    number: int = ended["status"]["run"]["number"]
    return bool(past["number"] == number)


def _succeeds(case: Expected) -> bool:
    return case.ends.partition("/")[0] == "Succeeded"


def _of_deleted(case: Expected, outcome: Outcome) -> list[str]:
    found = ["the job is still there"] if outcome.job else []
    deferrals = outcome.events.count(("Warning", "CleaningDeferred"))
    if deferrals != int(case.deferred):
        found.append(f"{deferrals} Events of a deferred cleaning, not {int(case.deferred)}: {outcome.events}")
    return found


def _of_status(case: Expected, job: Job) -> list[str]:
    status = job["status"]
    phase, code, reason = verdict(job)
    if _succeeds(case):
        _, _, outcome = case.ends.partition("/")
        good = (phase, code, reason) == ("Succeeded", "", outcome)
        found = [] if good else [f"it ended as {phase} {code}/{reason}, not as {case.ends}"]
    else:
        found = _of_error(case, job)
    attempts = status["run"].get("shards", {}).get("attempts", "")
    if case.attempts and not re.fullmatch(case.attempts, attempts):
        found.append(f"attempts are {attempts!r}, not {case.attempts!r}")
    cleaned = condition(job, "StagingCleaned")
    if "staging" in status and cleaned != "True" and not case.deferred:
        found.append(f"StagingCleaned is {cleaned!r}")
    return found


def _of_error(case: Expected, job: Job) -> list[str]:
    phase, code, reason = verdict(job)
    if f"{code}/{reason}" != case.ends:
        message = job["status"].get("error", {}).get("message", "")
        return [f"it ended as {phase} {code}/{reason}, not as {case.ends}: {message}"]
    error = job["status"]["error"]
    wanted = "Cancelled" if code == Code.CANCELLED else "Failed"
    found = [] if phase == wanted else [f"the phase is {phase}, not {wanted}"]
    entry = CATALOGUE[Code(code), Reason(reason)]
    runbook = Failure(Code(code), Reason(reason), "").runbook
    reported = (error["fault"], error["retriable"], error["runbook"])
    if reported != (entry.fault.value, entry.retriable, runbook):
        found.append(f"fault, retriable, runbook are {reported}")
    found += [f"{w!r} is not in: {error['message']}" for w in case.evidence if w not in error["message"]]
    return found


def _of_events(case: Expected, outcome: Outcome) -> list[str]:
    code, _, reason = case.ends.partition("/")
    quiet = _succeeds(case) or code == Code.CANCELLED
    wanted = [("Normal" if quiet else "Warning", reason or code)]
    return [] if outcome.events == wanted else [f"Events are {outcome.events}, not {wanted}"]
