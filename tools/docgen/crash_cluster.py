"""The sections on crashes on a real cluster: kills at random, and takeovers between two replicas."""

from __future__ import annotations

from statistics import median
from typing import Any

_KILLED = """\
## At random moments, on a real cluster

`make chaos-cluster`. The shipped operator on a real cluster with real Pods gets a `SIGKILL` at moments that
are drawn by chance: so many writes after the last one, seen in the audit log, and a part of a second later.
Meanwhile up to six jobs of all kinds are under way, whose users change, suspend, cancel, repeat and delete
them at moments that are drawn as well. After every eighth kill a part of the cluster is restarted as well:
the API server, the kubelet, etcd, the store. Seed {seed}.

When a job has ended, its verdict, the number of its runs, its outputs (byte for byte those of an
undisturbed run), its report, its Events and its finalizers are held against what must be; so is each Pod
that the operator created by the audit log: one for each shard of each epoch; a create whose sender died
counts too. In the end nothing may be left in staging, and no Pod and no Secret.

An operator with a planted bug (its finalizer is put on when all is staged) was let loose in the same way:
25 kills with seed 777 left the staging of a job that was deleted meanwhile, and the run was red for it.

{kills} kills, {restarts} restarts ({parts}), {jobs} jobs in {minutes} minutes:

**{wrong} wrong ends, {doubled} duplicate launches, {orphans} orphans**.

Measured at commit {commit} on {date} ({machine}).

| kind of job | jobs |
|---|---|"""

_FAILOVER = """\
## When the replica in charge goes away

`make bench-failover`. The production overlay with two replicas and a burst of {jobs} ImageJobs of two Pods
each, while the one in charge is killed (`SIGKILL`), frozen (`SIGSTOP`, until the other one works; then it
goes on and must end by itself) or stopped (its Pod is deleted as a drain does). Seconds from then until the
API server noted that the other one holds the Lease, and until its first write for a job.

{jobs} jobs, {pods} Pods, {takeovers} takeovers: **{wrong} wrong ends, {doubled} duplicate launches**, and
**{late} writes of a replica after it had been replaced**. A write that had passed the gate when its replica
froze is sent when it goes on; that is harmless, since it rests on the resource version or on a name that
follows from the run. What it would write next is not sent.

Measured at commit {commit} on {date} ({machine}).

| replica was | times | Lease held, median and most | first write, median and most | promised |
|---|---|---|---|---|"""

PROMISED = {"killed": 20, "frozen": 20, "stopped": 3}
"""Seconds in which there is a first write, or in which the Lease is held if all is in good order."""


def killed_at_random(measured: dict[str, Any]) -> list[str]:
    """What came of the kills on a real cluster."""
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
    """How long takeovers took."""
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
