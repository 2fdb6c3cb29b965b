"""An operator whose watch goes silent hears again; one with nothing to do writes nothing but its Lease.

Silent means that the connection is not closed, and nothing comes any more.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from e2e.audit import Write
from e2e.second import second_installation
from e2e.world import Job, World, image_job, process_of, until, verdict
from localcluster.commands import run

PROMISE = 90
SLACK = 15
WINDOW = 60
"""Seconds in which an idle operator is watched."""
IDLE = 5_000
"""Milliseconds without a byte that distinguish a watch from connections in constant use."""
SILENCE = """
add table inet silence
add chain inet silence input {{ type filter hook input priority 0; }}
add rule inet silence input tcp dport {{ {ports} }} drop
"""


def idle_ports(process: int) -> list[str]:
    """Local ports of the connections to the API server that have been quiet for a while."""
    words = ["nsenter", f"--target={process}", "--net", "ss", "-Htni", "state", "established", "dport = :443"]
    found = re.findall(r"^\S+\s+\S+\s+\S+?:(\d+)\s.*\n.*\blastrcv:(\d+)", run(words), re.MULTILINE)
    return [port for port, quiet in found if int(quiet) > IDLE]


@contextmanager
def silence(process: int) -> Iterator[None]:
    """Nothing arrives on the connections that are quiet now; they stay open, and new ones work."""

    def nft(words: str) -> str:
        return run(["nsenter", f"--target={process}", "--net", "nft", words])

    until("two watches that are quiet", lambda: len(idle_ports(process)) >= 2, 30)
    nft(SILENCE.format(ports=", ".join(idle_ports(process))))
    try:
        yield
    finally:
        nft("delete table inet silence")


@dataclass(frozen=True)
class Quiet:
    """What was seen while one operator was deaf and the other one had nothing to do."""

    deaf: float
    """Seconds until the deaf one saw its job."""
    ended: Job
    idle: float
    """Seconds in which the other one had nothing to do."""
    writes: list[Write]
    """Its writes in that time."""


@pytest.fixture(scope="module")
def quiet(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quiet]:
    """Both take a minute and more of waiting, so they wait together: the deaf one is another installation."""
    with second_installation(world, "green", tmp_path_factory.mktemp("green")) as green:
        keys = green.shop.upload_photos("rocket.jpg")
        with silence(process_of(green.pod(), "imagejob_operator")):
            since, begun = world.audit.mark(), time.monotonic()
            name = green.shop.apply(image_job({"keys": keys}, **{"class": green.name}))
            green.shop.await_job(name, lambda j: bool(j["status"].get("phase")), "seen", PROMISE + SLACK)
            deaf = time.monotonic() - begun
        ended = green.shop.await_end(name)
        # A span of time is what is measured here, so there is nothing to wait for but its end.
        threading.Event().wait(max(0, WINDOW - (time.monotonic() - begun)))
        # The job was not served for a while: the other operator may report this with one Event.
        event = ("events", green.shop.name)
        writes = [write for write in world.audit.writes(since) if (write.resource, write.namespace) != event]
        yield Quiet(deaf, ended, time.monotonic() - begun, writes)


@pytest.mark.timeout(200, func_only=True)
def test_a_watch_that_goes_silent_is_recovered(quiet: Quiet, figures: list[str]) -> None:
    figures.append(f"a watch that went silent was recovered after {quiet.deaf:.0f} s (at most {PROMISE} s)")
    assert quiet.deaf > 2, "the watch was not silent"
    assert quiet.deaf <= PROMISE + SLACK
    assert verdict(quiet.ended) == ("Succeeded", "", "")


def test_an_idle_operator_writes_nothing_but_its_lease(quiet: Quiet, figures: list[str]) -> None:
    renewals = [write for write in quiet.writes if write.resource == "leases"]
    others = [write for write in quiet.writes if write not in renewals]
    figures.append(
        f"writes by an idle operator in {quiet.idle:.0f} s: {len(others)}, and {len(renewals)} of its Lease"
    )
    assert others == [], "\n".join(map(str, others))
    assert {(write.verb, write.code) for write in renewals} == {("update", 200)}
    assert len(renewals) > WINDOW / 4, "it was not there"
