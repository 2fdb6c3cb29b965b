"""The verdict on a job of the kills at random passes what is right, and finds everything that is not."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from e2e.audit import ACCOUNT, POD, Audit, Tail, pods_made
from e2e.killing.kinds import CANCELLED, KINDS, SUCCEEDED, VALIDATED, End
from e2e.killing.verdict import Seen, doubled, objections

WANTED = {"photos/a-thumb.jpg": "e1", "photos/b-thumb.jpg": "e2"}
BY_NAME = {kind.name: kind for kind in KINDS}
FAILED: End = ("Failed", "JOB_005", "ItemsFailed")


def job(end: End = SUCCEEDED, number: int = 1, run_id: str = "", **metadata: Any) -> dict[str, Any]:
    phase, code, reason = end
    run = {"number": number, "id": run_id or str(number), "outcome": "" if code else reason}
    status: dict[str, Any] = {"phase": phase, "run": run}
    if code:
        status["error"] = {"code": code, "reason": reason}
    return {"metadata": metadata, "status": status}


def begun(end: End) -> dict[str, Any]:
    """A job that ended after something of it was staged."""
    ended = job(end)
    return {**ended, "status": {**ended["status"], "conditions": [{"type": "StagingCleaned"}]}}


def report(*names: str) -> dict[str, Any]:
    return {"items": [{"outputs": [{"key": f"shop/out/job/photos/{name}"}]} for name in names]}


GOOD = Seen(
    "well-1",
    job(),
    WANTED,
    report("a-thumb.jpg", "b-thumb.jpg"),
    ("Succeeded",),
    ("well-1-0123456789-0-1", "well-1-0123456789-1-1", "well-11-0123456789-0-1"),
)
BARE = Seen("x", job(FAILED), events=("ItemsFailed",))
TWICE = replace(GOOD, job=job(number=2), events=("Succeeded", "Succeeded"))
GONE = Seen("deleted-1", None)


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("well", GOOD),
        ("item-fails", BARE),
        ("deleted", GONE),
        ("deleted", replace(GONE, outputs={"photos/a-thumb.jpg": "e1"})),
        ("cancelled", replace(GOOD, job=job(CANCELLED), outputs={})),
        ("cancelled", GOOD),
        ("cancelled", Seen("x", job(CANCELLED), events=("Cancelled",))),
        ("run-again", TWICE),
        ("superseded", TWICE),
        ("superseded", replace(GOOD, job=job(run_id="2"))),
        ("validated", replace(GOOD, job=job(VALIDATED), outputs={}, report={}, pods=())),
    ],
)
def test_what_is_right_passes(kind: str, seen: Seen) -> None:
    assert objections(BY_NAME[kind], seen, WANTED) == []
    assert doubled(BY_NAME[kind], seen) == []


@pytest.mark.parametrize(
    ("kind", "seen", "words"),
    [
        ("well", replace(GOOD, job=None), "it is gone"),
        ("well", replace(GOOD, job=job(FAILED)), "ended as"),
        ("well", replace(GOOD, job=job(CANCELLED)), "ended as"),
        ("deleted", GOOD, "ended as"),
        ("well", replace(GOOD, job=job(number=2)), "after run 2"),
        ("run-again", replace(TWICE, job=job(number=1)), "after run 1"),
        ("run-again", replace(GOOD, job=job(run_id="2")), "after run 1"),
        ("superseded", replace(TWICE, job=job(number=2, run_id="1")), "of id 1"),
        ("well", replace(GOOD, job=job(finalizers=["imagejob.dev/run"])), "finalizer"),
        ("well", replace(GOOD, outputs={}), "has the outputs"),
        ("well", replace(GOOD, outputs={**WANTED, "photos/c.jpg": "e3"}), "has the outputs"),
        ("well", replace(GOOD, outputs={**WANTED, "photos/a-thumb.jpg": "e0"}), "has the outputs"),
        ("validated", replace(GOOD, job=job(VALIDATED)), "has the outputs"),
        ("item-fails", replace(BARE, outputs=WANTED), "has the outputs"),
        ("deleted", replace(GONE, outputs={"photos/a-thumb.jpg": "e0"}), "has the outputs"),
        ("cancelled", Seen("x", begun(CANCELLED), events=("Cancelled",)), "no report"),
        ("item-fails", replace(BARE, job=begun(FAILED)), "no report"),
        ("well", replace(GOOD, report=report("a-thumb.jpg")), "its report"),
        ("well", replace(GOOD, report=report(*("a-thumb.jpg",) * 2, "b-thumb.jpg")), "its report"),
        ("well", replace(GOOD, events=("Succeeded",) * 2), "more than once"),
        ("run-again", replace(TWICE, events=("Succeeded",) * 3), "more than once"),
    ],
)
def test_what_is_wrong_is_found(kind: str, seen: Seen, words: str) -> None:
    assert any(words in text for text in objections(BY_NAME[kind], seen, WANTED))


@pytest.mark.parametrize(
    ("kind", "pods"),
    [
        ("well", (*GOOD.pods, "well-1-0123456789-0-1")),
        ("well", (*GOOD.pods, "well-1-0123456789-0-2")),
        ("well", (*GOOD.pods, "well-1-9876543210-0-1")),
        ("validated", GOOD.pods),
        ("run-again", (*GOOD.pods, "well-1-aaaaaaaaaa-0-1", "well-1-bbbbbbbbbb-0-1")),
    ],
    ids=[
        "the same Pod twice",
        "another attempt",
        "another epoch",
        "a run that must not launch",
        "a third epoch",
    ],
)
def test_a_launch_that_should_not_have_been_is_found(kind: str, pods: tuple[str, ...]) -> None:
    assert doubled(BY_NAME[kind], replace(GOOD, pods=pods))


def line(code: int, **changes: str) -> str:
    entry = {
        "stage": "ResponseComplete",
        "user": {"username": ACCOUNT, "extra": {POD: ["imagejob-operator-a"]}},
        "verb": "create",
        "requestURI": "/api/v1/namespaces/shop/pods",
        "objectRef": {"resource": "pods", "namespace": "shop", "name": "well-1-0123456789-0-1"},
        "responseStatus": {"code": code},
        "requestReceivedTimestamp": "2026-11-24T14:00:00.250000Z",
    }
    return json.dumps({**entry, **changes}) + "\n"


def test_pods_are_counted_as_the_api_server_noted_them(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(line(201))
    audit = Audit(log)
    since, tail = audit.mark(), Tail(audit, "shop")
    with log.open("a") as file:
        file.write(line(201) + line(409) + line(201, verb="get") + line(201, stage="RequestReceived"))
        file.write(line(201, requestURI="/api/v1/namespaces/shop/pods?dryRun=All") + line(201))
        file.write(line(201)[:20])
    writes = audit.writes(since, namespace="shop")
    assert pods_made(writes) == ["well-1-0123456789-0-1"] * 2
    assert {(write.pod, write.received.microsecond) for write in writes} == {("imagejob-operator-a", 250000)}
    assert doubled(BY_NAME["well"], replace(GOOD, pods=pods_made(writes)))
    assert (tail.catch_up(), tail.writes) == (3, writes)
    with log.open("a") as file:
        file.write(line(201)[20:])
    assert (tail.catch_up(), tail.catch_up()) == (1, 0), "a line that was half there is read when it is whole"
    assert pods_made(tail.writes) == ["well-1-0123456789-0-1"] * 3


class Growing(io.RawIOBase):
    """A file to which the rest of a line is written while it is read: its end is met once in between."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return offset

    def readinto(self, buffer: Any) -> int:
        part = self._parts.pop(0) if self._parts else b""
        buffer[: len(part)] = part
        return len(part)


def test_a_line_that_is_finished_while_it_is_read_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, half, rest = line(201).encode(), line(201).encode()[:20], line(201).encode()[20:]
    growing = io.BufferedReader(Growing(whole, half, b"", rest))
    monkeypatch.setattr(Path, "open", lambda *_: growing)
    writes, position = Audit(Path("audit.log")).read(0, ACCOUNT, "shop")
    assert (len(writes), position) == (1, len(whole))


NAME = "well-1-0123456789-0-1"


@pytest.mark.parametrize(
    ("lines", "made"),
    [
        ([line(201), line(409)], [NAME]),
        ([line(500), line(201)], [NAME]),
        ([line(409)], [NAME]),
        ([line(500, stage="Panic")], [NAME]),
        ([line(504)], [NAME]),
        ([line(200)], [NAME]),
        ([line(504), line(504), line(409)], [NAME]),
        ([line(201), line(201)], [NAME, NAME]),
        ([line(403), line(422), line(429)], []),
    ],
)
def test_a_create_without_an_answer_counts_once(tmp_path: Path, lines: list[str], made: list[str]) -> None:
    log = tmp_path / "audit.log"
    log.write_text("".join(lines))
    assert pods_made(Audit(log).writes(0)) == made
