"""The sections on crashes on a real cluster: kills at random, and takeovers between two replicas."""

from __future__ import annotations

from statistics import median
from typing import Any

_KILLED = """\
## At random moments, on a real cluster

`make chaos-cluster` kills the shipped operator on a real cluster with real Pods at random moments
(`SIGKILL`): a random number of its writes after the last kill, as seen in the audit log, plus a part of a
second. Meanwhile up to six jobs of all kinds run. Users change, suspend, cancel, repeat and delete them,
also at random moments. After every eighth kill, a component of the cluster is restarted: the API server,
the kubelet, etcd or the store. The seed was {seed}.

When a job has ended, the test checks its phase and error, the number of its runs, its outputs (byte for
byte those of an undisturbed run), its report, its Events and its finalizers. It also checks each Pod that
the operator created, by the audit log: there must be one per shard of each epoch, including creates whose
sender was killed. At the end there must be no object in staging, no Pod and no Secret.

The same test was run against an operator with a planted bug (the finalizer is added after staging): 25
kills with seed 777 left the staging of a deleted job, and the test failed.

{kills} kills, {restarts} restarts ({parts}), {jobs} jobs in {minutes} minutes:

**{wrong} wrong outcomes, {doubled} duplicate launches, {orphans} orphans**.

Measured at commit {commit} on {date} ({machine}).

| kind of job | jobs |
|---|---|"""

_FAILOVER = """\
## Failover

`make bench-failover` runs the production overlay with two replicas and a burst of {jobs} ImageJobs of two
Pods each. Meanwhile the leader is killed (`SIGKILL`), frozen (`SIGSTOP`, until the other replica works;
then it continues and must exit by itself) or stopped (its Pod is deleted, as in a drain). The table shows
the seconds until the API server recorded the new holder of the Lease, and until the first write of that
holder for a job.

{jobs} jobs, {pods} Pods, {takeovers} takeovers: **{wrong} wrong outcomes, {doubled} duplicate launches**, and
**{late} writes of a replica after it had been replaced**. If a write has passed the leader
check when its replica freezes, it is sent when the replica continues. This is harmless, because the write is
guarded by the resource version, or by a name that is derived from the run. Later writes are not sent.

Measured at commit {commit} on {date} ({machine}).

| the leader was | times | Lease acquired: median, maximum | first write: median, maximum | limit |
|---|---|---|---|---|"""

PROMISED = {"killed": 20, "frozen": 20, "stopped": 3}
"""Seconds until the first write, or for a stopped replica until the Lease is held."""


def killed_at_random(measured: dict[str, Any]) -> list[str]:
    """The section on kills on a real cluster."""
    head = _KILLED.format(
        restarts=sum(measured["restarts"].values()),
        parts=", ".join(f"{part} {times}" for part, times in measured["restarts"].items()),
        jobs=sum(measured["jobs"].values()),
        wrong=len(measured["wrongEnds"]),
        doubled=len(measured["doubledLaunches"]),
        orphans=len(measured["orphans"]),
        **{name: measured[name] for name in ("seed", "kills", "minutes", "commit", "date", "machine")},
    )
    return [head, *(f"| {kind} | {count} |" for kind, count in measured["jobs"].items()), ""]


def failover(measured: dict[str, Any]) -> list[str]:
    """The section on takeovers."""
    found = measured["takeovers"]
    head = _FAILOVER.format(
        takeovers=len(found),
        wrong=len(measured["wrongEnds"]),
        doubled=len(measured["doubledLaunches"]),
        late=sum(takeover["late"] for takeover in found),
        **{name: measured[name] for name in ("jobs", "pods", "commit", "date", "machine")},
    )
    lines = [head]
    for way in PROMISED:
        of_way = [takeover for takeover in found if takeover["way"] == way]
        lease, work = (_spread([takeover[name] for takeover in of_way]) for name in ("lease", "work"))
        lines.append(f"| {way} | {len(of_way)} | {lease} | {work} | {_promise(way)} |")
    return [*lines, ""]


def _spread(seconds: list[float]) -> str:
    return f"{median(seconds):.1f} s, {max(seconds):.1f} s"


def _promise(way: str) -> str:
    return f"{'Lease' if way == 'stopped' else 'first write'} within {PROMISED[way]} s"
