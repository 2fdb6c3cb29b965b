"""A watch whose connection goes silent without being closed is noticed, and the operator hears again."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo.stack import OPERATOR
from e2e.world import Shop, image_job, process_of, until, verdict
from localcluster.commands import run

PROMISE = 90
SLACK = 15
IDLE = 5_000
"""Milliseconds without a byte by which a watch is told from connections that are in use all the time."""
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


@pytest.mark.timeout(200, func_only=True)
def test_a_watch_that_goes_silent_is_recovered(shop: Shop) -> None:
    keys = shop.upload_photos("rocket.jpg")
    with silence(process_of(shop.world.pod_of(OPERATOR), "imagejob_operator")):
        begun = time.monotonic()
        name = shop.apply(image_job({"keys": keys}))
        job = shop.await_job(name, lambda j: bool(j["status"].get("phase")), "seen", PROMISE + SLACK)
        seconds = time.monotonic() - begun
        assert seconds > 2, "the watch was not silent"
    job = shop.await_end(name)
    assert verdict(job) == ("Succeeded", "", "")
    assert seconds <= PROMISE + SLACK
