"""Jobs that come and go: each goes its way to the end, and one that goes another way ends the soak."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from typing import Any, cast

import pytest

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from soak import drive
from soak.drive import Driver, WentWrong
from soak.kinds import Way, way_of

AWAY = ApiError(503, "ServiceUnavailable", "away")
THERE_ALREADY = ApiError(409, "AlreadyExists", "it is there already")


class Api:
    """An API server in which each job has its phase at once, as `ends` says of its way."""

    def __init__(self, ends: dict[Way, str] | None = None) -> None:
        self.ends = ends or {}
        self.errors: list[ApiError] = []
        self.events: asyncio.Queue[tuple[bool, dict[str, Any]]] = asyncio.Queue()
        self.alive: dict[str, dict[str, Any]] = {}
        self.most_alive = 0

    async def request(self, verb: str, path: str, body: Any = None, content_type: str = "") -> dict[str, Any]:
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        name = body["metadata"]["name"] if verb == "POST" else path.rpartition("/")[2]
        way = way_of(int(name.removeprefix("soak-")))
        if verb == "POST":
            self.alive[name] = body
            self.most_alive = max(self.most_alive, len(self.alive))
            self.tell(name, "Running" if way.holds else self.ends.get(way, way.phase))
        elif verb == "PATCH":
            self.tell(name, way.phase)
        else:
            self.events.put_nowait((True, self.alive.pop(name)))
        return {}

    def tell(self, name: str, phase: str) -> None:
        ended = str(phase in ("Succeeded", "Failed", "Cancelled"))
        status = {"phase": phase, "conditions": [{"type": "Finished", "status": ended}]}
        self.events.put_nowait((False, json.loads(json.dumps({**self.alive[name], "status": status}))))

    async def follow(self, *_: object) -> Any:
        while True:
            yield await self.events.get()


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    made = Api()
    monkeypatch.setattr(drive, "follow", made.follow)
    return made


def driver(api: Api) -> Driver:
    return Driver(cast("KubeHTTP", api), "soak")


async def test_all_jobs_end_and_are_deleted_and_few_are_alive_at_a_time(api: Api) -> None:
    driving = driver(api)
    await driving.run(100, alive=8)
    assert 100 <= driving.finished < 108
    assert api.alive == {}
    assert api.most_alive == 8
    made = sum(driving.ways.values())
    wanted = Counter(str(way_of(number)) for number in itertools.islice(itertools.count(), made))
    assert driving.ways == wanted
    assert driving.finished == made - driving.ways[Way.DELETED]


async def test_one_that_ends_differently_is_reported(api: Api) -> None:
    api.ends = {Way.FAILS: "Succeeded"}
    with pytest.raises(WentWrong, match=r"soak-11 .* is Succeeded"):
        await driver(api).run(100, alive=8)


async def test_a_request_without_an_answer_is_made_again(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive.asyncio, "sleep", no_pause)
    driving = driver(api)
    api.errors = [AWAY, AWAY, THERE_ALREADY]
    await driving._call("POST", "/jobs", {"metadata": {"name": "soak-0"}})
    api.errors = [AWAY] * drive.TRIES
    with pytest.raises(WentWrong, match="503 away"):
        await driving._call("DELETE", "/jobs/soak-0")


async def test_a_job_that_was_there_before_is_an_error(api: Api) -> None:
    api.errors = [THERE_ALREADY]
    with pytest.raises(WentWrong, match="409"):
        await driver(api)._call("POST", "/jobs", {"metadata": {"name": "soak-0"}})


async def no_pause(seconds: float) -> None:
    """Instead of `asyncio.sleep`."""
