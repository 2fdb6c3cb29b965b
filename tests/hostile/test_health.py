"""Any Pod of the cluster can read /healthz: it must not learn the names of other tenants' jobs there."""

from __future__ import annotations

import logging
import socket

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry

from imagejob_operator.adapters.process.http_server import serve

PROBLEM = "the watch has not delivered secret-campaign/launch at version 2 for 60 s"


class Unhealthy:
    def problems(self) -> list[str]:
        return [PROBLEM]

    def details(self) -> dict[str, object]:
        return {"jobs": 1}


async def test_names_of_jobs_are_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runner = await serve(port, CollectorRegistry(), lambda: True, Unhealthy())
    with caplog.at_level(logging.ERROR):
        async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 503
            assert "secret-campaign" not in await answer.text()
            assert await answer.json() == {"ok": False, "problems": 1, "jobs": 1}
    await runner.cleanup()
    (record,) = (record for record in caplog.records if record.message == "unhealthy")
    assert vars(record)["problems"] == [PROBLEM]
