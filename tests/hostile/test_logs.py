"""A library, a tenant or a handler that fails makes an odd log record: it must still be written."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import kopf
import pytest
from kopf._cogs.structs import bodies
from kopf._core.actions.loggers import LocalObjectLogger
from kubernetes.aio import client

from fakes.build import job
from imagejob_operator.adapters.process.logs import set_up_logs
from imagejob_operator.api.imagejob import Key
from imagejob_operator.log_context import current_object
from imagejob_operator.main import Process
from imagejob_operator.settings import read_settings
from imagejob_operator.wiring import Operator
from unit.adapters.test_store_settings import ENVIRONMENT


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the operator writes to standard error."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    root, names = logging.getLogger(), ("", "imagejob_operator", "urllib3", "kopf")
    handlers, levels = list(root.handlers), {name: logging.getLogger(name).level for name in names}
    set_up_logs("INFO")
    yield stream
    root.handlers[:] = handlers
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_handler_that_fails_is_logged_by_kopf_in_one_line(written: io.StringIO) -> None:
    metadata = {"namespace": "shop", "name": "spring", "uid": "u1"}
    raw: Any = {"apiVersion": "imagejob.dev/v1alpha1", "kind": "ImageJob", "metadata": metadata}
    logger = LocalObjectLogger(body=bodies.Body(raw), settings=kopf.OperatorSettings())
    try:
        raise KeyError("spec")
    except KeyError:
        logger.exception("Handler 'imagejobs' failed with an exception and will ignore it: 'spec'")
    (line,) = lines(written)
    assert line["level"] == "ERROR"
    assert line["message"].startswith("Handler 'imagejobs' failed with an exception")
    assert (line["object"], line["uid"]) == ("shop/spring", "u1")
    assert "KeyError: 'spec'" in line["exc_info"]
    assert "settings" not in line


async def test_lines_of_a_reconcile_carry_the_uid_of_the_job(written: io.StringIO) -> None:
    operator = Operator(read_settings(ENVIRONMENT), client.Configuration(host="https://127.0.0.1:9"), "uid")
    stored = job()
    operator.cache.put_job(stored)
    operator.namespaces.ready = lambda namespace: True  # type: ignore[method-assign]

    async def fails(key: Key) -> None:
        logging.getLogger("imagejob_operator.stores").warning("the store is away")
        raise KeyError("a bug")

    queue = operator.queues.jobs
    queue.start(Process(operator, None).when_ready(queue, fails))
    queue.add(stored.key)
    while len(lines(written)) < 2:
        await asyncio.sleep(0)
    found = lines(written)
    await queue.stop()
    await operator.close()
    assert [line["message"] for line in found][:2] == [
        "the store is away",
        "reconcile failed unexpectedly, retrying",
    ]
    assert {(line["job"], line["uid"]) for line in found} == {(str(stored.key), stored.uid)}
    assert current_object.get() == {}, "only lines of the worker"
