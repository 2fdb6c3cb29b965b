"""The failure matrix: every way to break the world that we know, broken for real, and what comes of it.

The cases run beside each other, each in a namespace of its own; each test waits for its own.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from demo.stack import NAMESPACE, OPERATOR
from e2e.faults import arena as shared
from e2e.faults.arena import Arena, finished_runs
from e2e.faults.bench import play
from e2e.faults.cases import CASES
from e2e.faults.results import Row
from e2e.faults.verdict import Outcome, objections
from e2e.world import Job, World, verdict
from imagejob_operator.api.errors import CATALOGUE
from localcluster.cluster import Status

AT_ONCE = 10
HIDDEN = ("token=hidden", "open-sesame")
"""Words in the queries of URLs, and in a Secret with headers."""
ENOUGH = 40


@pytest.fixture(scope="module")
def arena(world: World, where: Status, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    folder = tmp_path_factory.mktemp("webhook")
    with shared.arena(world, where.host_address, Path(where.registry_hosts), folder) as made:
        yield made


@pytest.fixture(scope="module")
def played(arena: Arena, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Outcome]]]:
    """The cases that were asked for, all under way; the longest first."""
    asked = {item.callspec.params["name"] for item in request.session.items if _is_case(item)}
    longest_first = sorted((CASES[name] for name in asked), key=lambda case: -case.within)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="case") as pool:
        futures = {case.name: pool.submit(play, arena, case) for case in longest_first}
        try:
            yield futures
        finally:
            pool.shutdown(cancel_futures=True)


def _is_case(item: pytest.Item) -> bool:
    return "name" in getattr(getattr(item, "callspec", None), "params", {}) and item.path == Path(__file__)


@pytest.mark.timeout(900, func_only=True)
@pytest.mark.parametrize("name", CASES)
def test_case(name: str, arena: Arena, played: dict[str, Future[Outcome]], rows: list[Row]) -> None:
    case, outcome = CASES[name], played[name].result()
    found = tuple(objections(case, outcome))
    message = _readable(outcome.ended, arena) if outcome.ended else ""
    rows.append(Row(case.name, case.cause, case.ends, round(outcome.seconds, 1), case.limit, message, found))
    assert not found, "\n".join(found)


def _readable(job: Job, arena: Arena) -> str:
    """The message, without names and addresses that are others at every run."""
    message: str = job["status"].get("error", {}).get("message", "")
    names = {job["metadata"]["namespace"]: "shop", arena.registry: "registry.example"}
    names[job["metadata"]["uid"]] = "0c6f4a52-8d1b-4a6e-9a43-2f1f5ad9c0d7"
    names[arena.world.pictures] = "pictures.example"
    for name, plain in names.items():
        message = message.replace(name, plain)
    return re.sub(r"job-[0-9a-f]{10}-0-", "job-4f1c09a2b7-0-", message)


def test_each_end_is_counted_once(arena: Arena, played: dict[str, Future[Outcome]]) -> None:
    """One metric each: the operator's counter against what was seen to end."""
    ends = [outcome.ended for outcome in (future.result() for future in played.values()) if outcome.ended]
    assert finished_runs(arena.world) == Counter(verdict(job) for job in ends)


def test_secret_parts_of_urls_and_headers_appear_nowhere(
    arena: Arena, played: dict[str, Future[Outcome]]
) -> None:
    """Neither by a status nor in the log of the operator, which speaks of the URLs themselves."""
    outcomes = {name: future.result() for name, future in played.items()}
    statuses = {
        name: json.dumps(outcome.ended["status"]) for name, outcome in outcomes.items() if outcome.ended
    }
    log = arena.world.kubectl("logs", "-n", NAMESPACE, f"deployment/{OPERATOR}", "--tail=-1")
    if "url-busy" in played:
        assert "/busy/a.jpg returned HTTP 503" in statuses["url-busy"]
        assert "/busy/a.jpg returned HTTP 503" in log
    found = [name for name, text in {**statuses, "the log": log}.items() for word in HIDDEN if word in text]
    assert not found


def test_there_are_enough_cases_of_different_causes() -> None:
    assert len({case.cause for case in CASES.values()}) == len(CASES) >= ENOUGH


ELSEWHERE = {
    "JOB_004/JobNotFound": "tests/unit/cli/test_imagejob.py: no job ends so, the command line does",
}
"""Entries of the catalogue that no case of the matrix comes to, and where they are reached."""


def test_the_catalogue_is_reached(figures: list[str]) -> None:
    reached = {case.ends for case in CASES.values()} | ELSEWHERE.keys()
    missing = {f"{code}/{reason}" for code, reason in CATALOGUE} - reached
    figures.append(
        f"codes and reasons that no case comes to: {', '.join(sorted(missing | ELSEWHERE.keys()))}"
    )
    assert not missing
