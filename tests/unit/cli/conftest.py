"""The command line with an API server in memory."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import NamedTuple

import pytest

from fakes.transport import FakeTransport
from imagejob.client import Client
from imagejob_cli.main import main


class Ran(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> FakeTransport:
    """What `Client.connect` connects to, whatever the kubeconfig is."""
    transport = FakeTransport()

    def connect(namespace: str | None = None, **_: object) -> Client:
        return Client(transport, namespace or "shop")

    monkeypatch.setattr("imagejob.client.Client.connect", connect)
    monkeypatch.setattr("imagejob.watching.sleep", lambda seconds: None)
    return transport


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command; no command may print a traceback."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr("sys.argv", ["imagejob"])

    def call(*words: str, stdin: str = "") -> Ran:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        code = main(words)
        printed = capsys.readouterr()
        assert "Traceback" not in printed.out + printed.err
        return Ran(code, printed.out, printed.err)

    return call
