"""An ImageJob followed live to its end, a line for every change."""

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
"""Seconds from one watch to the next, at least."""


def follow(cluster: Cluster, namespace: str, name: str, timeout: float, say: Callable[[str], None]) -> bool:
    """Say each change until the run has ended; whether it succeeded.

    Raises:
        CannotShow: JOB_004 if the job is not there or goes away; if the cluster stops answering; if
            `timeout` seconds pass.
    """
    begun, last, opened = monotonic(), "", 0.0
    while monotonic() - begun < timeout:
        # A watch that ends at once must not become a storm of requests.
        sleep(max(0.0, min(opened + PAUSE - monotonic(), timeout)))
        opened = monotonic()
        # Read before each watch: what happened while none was open is not lost.
        job = read_job(cluster, namespace, name)
        left = max(1, min(30, int(timeout - (monotonic() - begun))))
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
                    say(f"{monotonic() - begun:6.1f}s  {line}")
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
            continue  # the next read says whether it is more than a dropped connection
    raise CannotShow(f"ImageJob {name!r} has not ended within {timeout:.0f} s", EXIT_UNREACHABLE)
