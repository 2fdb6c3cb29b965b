"""Jobs of all kinds, their users, and an operator that is killed at random times."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Protocol

from demo import stack
from e2e.audit import Tail, pods_made
from e2e.killing.kinds import KINDS, Kind, Wish
from e2e.killing.look import create, jobs, look, undisturbed
from e2e.killing.verdict import doubled, objections
from e2e.world import (
    GROUP,
    PLURAL,
    VERSION,
    Job,
    OperatorProcess,
    Shop,
    ended,
    process_of,
    until,
)
from localcluster.cluster import Status

STORE = "object store"
PARTS = ("kube-apiserver", "kubelet", "etcd", STORE)
PARTS_EVERY = 8
"""After so many kills a part of the cluster is restarted as well."""
AT_ONCE = 6
"""Jobs that are under way."""
MOST_WRITES = 10
"""A life of the operator ends after at most so many writes."""
LATEST = 0.3
"""Seconds: so much later at most, since what is done in the store is not counted."""
IDLE = 2
"""Seconds without a write after which no more are waited for."""
LONGEST = 240
"""Seconds within which a job must end."""


class Parts(Protocol):
    """Restarts a component of the cluster."""

    def restart(self, component: str) -> None: ...
    def status(self) -> Status: ...


@dataclass
class Played:
    """One active job."""

    name: str
    kind: Kind
    begun: float
    wishes: list[Wish]


@dataclass
class Count:
    """What was done, and the outcome."""

    kills: int = 0
    restarts: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)


class Storm:
    """Runs in one thread, so that no request is made while a component of the cluster restarts."""

    def __init__(self, shop: Shop, parts: Parts, rng: random.Random) -> None:
        self._shop, self._parts, self._rng = shop, parts, rng
        self._world = shop.world
        self._tail = Tail(shop.world.audit, shop.name)
        self._open: list[Played] = []
        self._kinds = self._shuffled()
        self._operator = OperatorProcess(self._world)
        self.count = Count()
        self._wanted = undisturbed(shop)

    def rage(self, kills: int, until_when: float) -> Count:
        """Kill so many times, or until a monotonic time; then let all jobs finish."""
        while self.count.kills < kills and time.monotonic() < until_when:
            while len(self._open) < AT_ONCE:
                self._begin(next(self._kinds))
            self._await_writes(self._rng.randrange(MOST_WRITES))
            self._meddle()
            self._await_writes(self._rng.randrange(MOST_WRITES // 4))
            time.sleep(self._rng.uniform(0, LATEST))
            self._kill()
            self._judge()
        while self._open:
            self._meddle()
            self._judge()
            time.sleep(0.2)
        self.count.orphans = self._orphans()
        return self.count

    # jobs and their users

    def _shuffled(self) -> Iterator[Kind]:
        """Yield all kinds repeatedly, each time in another order."""
        return chain.from_iterable(iter(lambda: self._rng.sample(KINDS, len(KINDS)), None))

    def _begin(self, kind: Kind) -> None:
        name = f"{kind.name}-{self.count.jobs[kind.name]}"
        self.count.jobs[kind.name] += 1
        create(self._shop, kind, name)
        self._open.append(Played(name, kind, time.monotonic(), list(kind.wishes)))

    def _meddle(self) -> None:
        """Let every other user who has a wish left have it now, and all whose jobs have ended."""
        found = jobs(self._shop)
        for played in self._open:
            if not played.wishes or played.name not in found:
                continue
            wish = played.wishes[0]
            now = not wish.once_ended and self._rng.random() < 0.5
            if now or ended(found[played.name]):
                del played.wishes[0]
                self._fulfil(played.name, wish)

    def _fulfil(self, name: str, wish: Wish) -> None:
        where = (GROUP, VERSION, self._shop.name, PLURAL, name)
        if wish.spec is None:
            self._world.objects.delete_namespaced_custom_object(*where)
        else:
            self._world.objects.patch_namespaced_custom_object(*where, {"spec": dict(wish.spec)})

    # kills and restarts

    def _await_writes(self, wanted: int) -> None:
        """Wait until the operator has made so many more writes, or has finished."""
        self._tail.catch_up()
        seen, end = 0, time.monotonic() + IDLE
        while seen < wanted and time.monotonic() < end:
            time.sleep(0.01)
            if found := self._tail.catch_up():
                seen, end = seen + found, time.monotonic() + IDLE

    def _kill(self) -> None:
        """Kill the operator and start another one; at times a part of the cluster is restarted under that."""
        self._operator.kill()
        self.count.kills += 1
        self._operator.replace()
        self._world.await_operator()
        reconcile, rest = divmod(self.count.kills, PARTS_EVERY)
        if rest == 0:
            self._restart(PARTS[(reconcile - 1) % len(PARTS)])
            self._operator.find()

    def _restart(self, part: str) -> None:
        if part == STORE:
            os.kill(process_of(self._world.pod_of(stack.STORE), "minio"), signal.SIGKILL)
            self._world.await_store()
        else:
            self._parts.restart(part)
            until(f"the cluster is well after {part}", lambda: self._parts.status().healthy, 90)
        self.count.restarts[part] += 1

    # the outcome

    def _judge(self) -> None:
        """Hold each job that has ended and has no wish left against what it must come to."""
        found = jobs(self._shop)
        self._tail.catch_up()
        for played in list(self._open):
            job = found.get(played.name)
            over = not played.wishes and (job is None or (ended(job) and _is_let_go(job)))
            late = time.monotonic() - played.begun > LONGEST
            if over or late:
                self._open.remove(played)
            if over:
                self._hold(played, job)
            elif late:
                self.count.wrong.append(f"{played.name} did not end, wishes left: {played.wishes}: {job}")

    def _hold(self, played: Played, job: Job | None) -> None:
        seen = look(self._shop, played.name, job, pods_made(self._tail.writes))
        self.count.wrong += [f"{seen.name}: {text}" for text in objections(played.kind, seen, self._wanted)]
        self.count.doubled += [f"{seen.name}: {text}" for text in doubled(played.kind, seen)]

    def _orphans(self) -> list[str]:
        """What is left in the end; Secrets go after their Pods, so that is waited for."""
        try:
            self._shop.await_clean(60)
        except AssertionError:
            return self._shop.leaks()
        return []


def _is_let_go(job: Job) -> bool:
    """Whether the operator has nothing more to do for it."""
    return not job["metadata"].get("finalizers")
