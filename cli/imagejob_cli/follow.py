"""Follow an ImageJob until its run has finished."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, sleep

from kubernetes import watch
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from imagejob_cli.read import (
    EXIT_UNREACHABLE,
    GROUP,
    PLURAL,
    VERSION,
    CannotShow,
    Cluster,
    finished,
    read_job,
    summary,
)

PAUSE = 1.0
"""Minimum interval of watches, in seconds."""


def follow(cluster: Cluster, namespace: str, name: str, timeout: float, show: Callable[[str], None]) -> bool:
    """Show each change until the run has finished; return whether it succeeded.

    Raises:
        CannotShow: The job does not exist or is deleted (JOB_004), the cluster is not available, or
            `timeout` seconds have passed.
    """
    started, last, opened = monotonic(), "", 0.0
    while monotonic() - started < timeout:
        # Limits the rate of requests if watches end immediately.
        sleep(max(0.0, min(opened + PAUSE - monotonic(), timeout)))
        opened = monotonic()
        # Includes changes while no watch was open.
        job = read_job(cluster, namespace, name)
        longest = 30 if job.get("status") else 5
        left = max(1, min(longest, int(timeout - (monotonic() - started))))
        stream = watch.Watch().stream(
            cluster.api.list_namespaced_custom_object,
            GROUP,
            VERSION,
            namespace,
            PLURAL,
            field_selector=f"metadata.name={name}",
            resource_version=job["metadata"]["resourceVersion"],
            timeout_seconds=left,
        )
        try:
            while True:
                line = summary(job)
                if line != last:
                    show(f"{monotonic() - started:6.1f}s  {line}")
                    last = line
                ended = finished(job)
                if ended is not None:
                    return ended
                event = next(stream, None)
                if event is None:
                    break
                if event["type"] == "DELETED":
                    read_job(cluster, namespace, name)
                    break
                job = event["object"]
        except (ApiException, HTTPError):
            continue  # read_job reports an error that persists
    raise CannotShow(f"ImageJob {name!r} has not finished within {timeout:.0f} seconds", EXIT_UNREACHABLE)
