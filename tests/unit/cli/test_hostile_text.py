"""Text of the cluster and of the store is shown with escapes, whatever command prints it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakes.memory_objects import MemoryObjects
from fakes.transport import FakeTransport, condition, error, job
from imagejob import Rejected
from imagejob.client import Client
from imagejob.printable import visible
from imagejob_contract.result import ItemCode
from unit.cli.conftest import Ran, Run
from unit.gallery.reports import done, failed, output, report_of

HOSTILE = "\x1b[2J\x9b1m\u202egpj\u2067\u2028\r\x07\nuploaded 9 objects"
"""Commands of a terminal, in both encodings; another direction; and a line that looks like one of ours."""
ESCAPED = "\\x1b[2J\\x9b1m\\u202egpj\\u2067\\u2028\\r\\x07\\nuploaded 9 objects"
KEY = ".imagejob/shop/a/1.json"


@pytest.fixture
def store(api: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> MemoryObjects:
    """A job and objects in whose every text an attacker has a say."""
    made = MemoryObjects({f"in/{HOSTILE}": b"x", "in/good.jpg": b"y"}, name=f"bucket {HOSTILE}")
    monkeypatch.setattr("imagejob.client.Client.bucket", lambda client, **_: made)
    made.reports[KEY] = report_of(
        [
            done(f"in/{HOSTILE}", 6, output(f"out/{HOSTILE}", 3)),
            failed("in/b", ItemCode.UNDECODABLE, f"no {HOSTILE}"),
        ]
    )
    body = job(
        "a",
        "Failed",
        report=KEY,
        run={"id": f"1{HOSTILE}", "outcome": f"Failed{HOSTILE}"},
        items={"total": 2, "succeeded": 1, "failed": 1, "skipped": 0},
        failures=[{"item": HOSTILE, "code": f"IMG_001{HOSTILE}", "message": HOSTILE}],
        error=error("JOB_005", "ItemsFailed", HOSTILE),
        conditions=[condition("Ready", "False", reason=HOSTILE, message=HOSTILE)],
    )
    api.add(body)
    waiting = condition("Reconciling", reason="StoreUnavailable", message=HOSTILE)
    api.add(job("b", "Staging", conditions=[waiting]))
    state = {"waiting": {"reason": HOSTILE, "message": HOSTILE}}
    pod: dict[str, Any] = {
        "metadata": {"name": "a-0", "creationTimestamp": "2026-03-01T10:00:00Z"},
        "spec": {"nodeName": HOSTILE},
        "status": {"phase": HOSTILE, "containerStatuses": [{"name": "processor", "state": state}]},
    }
    api.answers["/api/v1/namespaces/shop/pods"] = {"items": [pod]}
    record = {"level": f"ERROR{HOSTILE}", "message": HOSTILE, "time": HOSTILE * 9, HOSTILE: HOSTILE}
    api.logs = {"a-0": [json.dumps(record), HOSTILE.replace("\n", "")]}
    return made


def check(ran: Ran) -> None:
    for line in (ran.out + ran.err).splitlines():
        assert line.isprintable(), line
        assert not line.startswith("uploaded 9"), "a text has made a line of its own"


COMMANDS = (
    ("status", "a"),
    ("status", "b"),
    ("watch", "a"),
    ("list",),
    ("logs", "a"),
    ("logs", "a", "--raw"),
    ("logs", "a", "-f"),
    ("results", "a"),
    ("results", "a", "-o", "name"),
    ("download", "in/"),
    ("download", "nothing"),
    ("explain", HOSTILE),
    ("upload", HOSTILE),
    ("submit", HOSTILE),
    (HOSTILE,),
    ("list", "--phase", HOSTILE),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words).replace(HOSTILE, "HOSTILE"))
def test_no_command_lets_text_through(
    store: MemoryObjects,
    run: Run,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run(*words)
    assert ran.out + ran.err
    check(ran)


@pytest.mark.parametrize("form", ["json", "yaml"])
@pytest.mark.parametrize("command", ["status", "results", "list"])
def test_documents_have_escapes_and_the_same_values(
    store: MemoryObjects, run: Run, command: str, form: str
) -> None:
    ran = run(command, *(() if command == "list" else ("a",)), "-o", form)
    check(ran)
    found = yaml.safe_load(ran.out) if form == "yaml" else json.loads(ran.out)
    assert HOSTILE in str(list(values(found))) or any(HOSTILE in text for text in values(found))


def values(document: Any) -> list[str]:
    if isinstance(document, dict):
        return [text for value in document.values() for text in values(value)]
    if isinstance(document, list):
        return [text for value in document for text in values(value)]
    return [str(document)]


def test_an_error_of_the_api_server_is_one_line(
    api: FakeTransport, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(client: Client, *_: object) -> None:
        raise Rejected(500, f"the API server rejected: {HOSTILE}")

    monkeypatch.setattr("imagejob.client.Client.get", refuse)
    ran = run("status", "a")
    check(ran)
    assert ran.err == f"imagejob: the API server rejected: {ESCAPED}\n"


def test_text_in_other_scripts_is_shown_as_it_is() -> None:
    for text in ("Käse — 猫.jpg", "תמונה.jpg", "👍🏽"):
        assert visible(text) == text
    assert visible(HOSTILE) == ESCAPED
