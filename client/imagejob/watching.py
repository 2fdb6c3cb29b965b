"""Follow one ImageJob until its run has finished."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from time import monotonic, sleep
from typing import Any

from imagejob.errors import Forbidden, Rejected, Suggestion, Unreachable, WaitTimeout
from imagejob.job import ImageJob
from imagejob.transport import Transport

PAUSE = 1.0
"""Minimum interval of watches, in seconds."""
PATIENCE = 30.0
"""Seconds without an answer of the API server after which following a run fails."""
LONGEST, LONGEST_UNSERVED = 30, 5
"""Maximum seconds of one watch; shorter before the first status, so that callers can report its absence."""


def watch_job(
    transport: Transport, read: Callable[[], ImageJob], path: str, name: str, timeout: float
) -> Iterator[ImageJob]:
    """Yield the job of `read` and each newer one until it has finished; see `Client.watch`."""
    started, opened, answered = monotonic(), -PAUSE, -PATIENCE
    while (left := timeout - (monotonic() - started)) > 0:
        # Limits the rate of requests if watches end immediately.
        sleep(max(0.0, min(opened + PAUSE - monotonic(), left)))
        opened = monotonic()
        # Includes changes while no watch was open.
        try:
            job = read()
        except (Unreachable, Rejected):
            if monotonic() - answered >= PATIENCE:
                raise
            continue
        answered = monotonic()
        yield job
        if job.finished:
            return
        for changed in _changes(transport, path, job, timeout - (monotonic() - started)):
            yield changed
            if changed.finished:
                return
    watch = Suggestion(("watch", name), path.split("/")[-2])
    raise WaitTimeout(
        f"ImageJob {name!r} has not finished within {timeout:g} s; the run goes on: {watch}"
    ).suggesting(watch)


def _changes(transport: Transport, path: str, job: ImageJob, left: float) -> Iterator[ImageJob]:
    """The changes of one watch, which ends after half a minute, with the connection, or with the job."""
    longest = LONGEST if job.status.phase else LONGEST_UNSERVED
    seconds = max(1, min(longest, int(left)))
    params = {
        "watch": "true",
        "fieldSelector": f"metadata.name={job.name}",
        "resourceVersion": str(job.body["metadata"]["resourceVersion"]),
        "timeoutSeconds": str(seconds),
    }
    try:
        with closing(transport.lines(path, f"ImageJob {job.name!r}", params, seconds + 5.0)) as lines:
            for line in lines:
                event: dict[str, Any] = json.loads(line)
                if event.get("type") not in ("ADDED", "MODIFIED"):
                    return
                yield ImageJob(event["object"])
    except (Unreachable, Rejected, ValueError):
        return  # the next reading reports an error that persists
    except Forbidden:
        sleep(PAUSE)  # a user who may get but not watch
        return
