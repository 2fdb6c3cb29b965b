"""One case of the failure matrix: its fault, and how it is run."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubernetes import client

from e2e.faults.arena import PATCHED, Arena
from e2e.faults.pictures import placed
from e2e.faults.store_proxy import Fault, Rule
from e2e.faults.verdict import Outcome
from e2e.world import Job, Shop, ended, image_job, until

SMALL = {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}}}
"""So small that any number of cases fits the node."""


def job(keys: tuple[str, ...] = ("photos/china.jpg",), **fields: Any) -> Job:
    """A job of one small Pod, without retries and retention unless overridden."""
    execution = {"retriesPerShard": 0, "startDeadlineSeconds": 60, **fields.pop("execution", {})}
    execution["podTemplate"] = {**SMALL, **execution.get("podTemplate", {})}
    limits = {"pixels": 8_000_000, "itemSize": "8Mi"}
    spec = {"retention": {"pods": "Never"}, "limits": limits, **fields, "execution": execution}
    return image_job(spec.pop("source", {"keys": [*keys]}), **spec)


def running(pod: client.V1Pod) -> bool:
    """Whether a Pod runs."""
    return bool(pod.status.phase == "Running")


class Bench:
    """The namespace of one case, and its faults."""

    def __init__(self, arena: Arena, shop: Shop) -> None:
        self.arena = arena
        self.shop = shop
        self.core = arena.world.core
        self.rules: list[Rule] = []
        self.cleanup = contextlib.ExitStack()
        self.released = threading.Event()
        """What the store was to hold back goes through; at the latest when the case is over."""
        self.cleanup.callback(self.released.set)
        self.faults_on_delete: list[Fault] = []
        """What happens to the store when the job is deleted."""
        self.ghosts: set[str] = set()
        """Pods that are live to the API server only."""

    def store(self, fault: Fault, *operations: str, about: str = "", who: str = "", times: int = -1) -> Rule:
        """Inject a fault into requests to the store for this namespace that contain `about`."""
        words = (f"{self.shop.name}/", *filter(None, [about.format(ns=self.shop.name)]))
        rule = Rule(fault, operations, words, who, times)
        self.cleanup.enter_context(self.arena.proxy.rule(rule))
        self.rules.append(rule)
        return rule

    def patch_pods(self, *operations: Mapping[str, Any]) -> None:
        """Let admission patch every Pod of the namespace."""
        self.arena.webhook.patches[self.shop.name] = [dict(operation) for operation in operations]
        self.label(PATCHED)

    def image(self, name: str) -> None:
        """Let every Pod run another image."""
        self.patch_pods({"op": "replace", "path": "/spec/containers/0/image", "value": name})

    def command(self, *words: str) -> None:
        """Let every Pod run another command."""
        self.patch_pods({"op": "add", "path": "/spec/containers/0/command", "value": [*words]})

    def label(self, name: str) -> None:
        """Label the namespace until the case is over: a webhook must not hold up its deletion."""
        self.core.patch_namespace(self.shop.name, {"metadata": {"labels": {name: "true"}}})
        unlabelled = {"metadata": {"labels": {name: None}}}
        self.cleanup.callback(self.core.patch_namespace, self.shop.name, unlabelled)

    def reach(self, name: str, wanted: str) -> None:
        """Wait until the job is in a phase and has met the fault."""
        self.shop.await_phase(name, wanted)
        self.await_strike()

    def await_strike(self) -> None:
        """Wait until every fault has been met."""
        until("the faults strike", lambda: all(rule.hits for rule in self.rules), 60)

    def await_working_pod(self) -> client.V1Pod:
        """Wait until a Pod has met the fault."""
        self.await_strike()
        return self.await_pod(running, "a running Pod")

    def await_pod(self, holds: Callable[[client.V1Pod], object], what: str) -> client.V1Pod:
        """Wait until a Pod of the namespace meets a condition."""
        found: list[client.V1Pod] = []

        def look() -> list[client.V1Pod]:
            found[:] = [p for p in self.core.list_namespaced_pod(self.shop.name).items if holds(p)]
            return found

        until(what, look, 60)
        return found[0]


def nothing(bench: Bench) -> None:
    """No fault."""


def nothing_then(bench: Bench, name: str) -> None:
    """No action during the run."""


@dataclass(frozen=True)
class Case:
    """One fault, and the expected outcome."""

    name: str
    cause: str
    """What is broken, for the table."""
    ends: str
    """`CODE/Reason`, or Succeeded, or `Succeeded/Outcome`, or Deleted."""
    over: Callable[[Job], bool] = ended
    """Whether the run has ended whose end is expected."""
    within: float = 5
    """Seconds: the grace or deadline that decides; a Pod's whole run where none does."""
    evidence: tuple[str, ...] = ()
    """What the message must contain."""
    job: Job = field(default_factory=job)
    photos: tuple[str, ...] = ("china.jpg",)
    broken: Callable[[Bench], object] = nothing
    then: Callable[[Bench, str], object] = nothing_then
    """What happens once the job was applied."""
    attempts: str = ""
    """What `status.run.shards.attempts` must match, if it matters."""
    outputs: int | None = None
    """How many outputs there must be; none for what failed, one a photo for what succeeded, by default."""
    deferred: bool = False
    """The store is away while the run ends: cleaning may be deferred, and must be completed later."""
    kept: int = 0
    """Failed Pods that stay for their logs, each with its Secret."""

    @property
    def limit(self) -> float:
        """The deadline in seconds: the promised time with slack for a busy machine."""
        return max(3 * self.within, self.within + 10)


def play(arena: Arena, case: Case) -> Outcome:
    """Inject the fault, apply the job, wait for its end, and collect the final state."""
    shop = Shop(arena.world, f"e2e-{uuid.uuid4().hex[:8]}")
    bench = Bench(arena, shop)
    try:
        shop.upload_photos(*case.photos)
        case.broken(bench)
        name = shop.apply(placed(case.job, arena.world.pictures))
        begun = time.monotonic()
        case.then(bench, name)
        if case.ends == "Deleted":
            seconds, found = _await_deletion(shop, name, begun, case.limit), None
        else:
            found = shop.await_job(name, case.over, "condition Finished", case.limit + 60)
            seconds = time.monotonic() - begun
        return _look(case, bench, name, found, seconds)
    except Exception as error:
        error.add_note(shop.diagnosis())
        raise
    finally:
        bench.cleanup.close()
        arena.webhook.patches.pop(shop.name, None)
        _close(shop)


def _await_deletion(shop: Shop, name: str, begun: float, limit: float) -> float:
    shop.await_gone(name, limit + 60)
    return time.monotonic() - begun


def _look(case: Case, bench: Bench, name: str, found: Job | None, seconds: float) -> Outcome:
    """The final state, after Secrets were deleted with their Pods."""
    shop = bench.shop
    staging = [] if case.deferred else shop.staging()
    missed = [f"{rule.operations} {rule.about}" for rule in bench.rules if not rule.hits]
    if case.deferred:
        bench.cleanup.close()
        if found:
            # The cleaning is deferred, and the operator completes it.
            until("the cleaning is made up for", lambda: not shop.staging(), 90)
        # The garbage collector would delete what a deleted job left; here the test does.
        store = shop.world.store
        for key in shop.staging():
            store.client.remove_object(store.bucket, key)

    def left() -> list[str]:
        secrets = [name for name in shop.secrets() if name not in bench.ghosts]
        return [*_live_pods(bench), *secrets[case.kept :]]

    with contextlib.suppress(AssertionError):
        until("Pods and Secrets are gone", lambda: not left(), 30)
    with contextlib.suppress(AssertionError):
        # It is recorded after the status.
        until("the Event of the end", lambda: not found or shop.events(name), 10)
    return Outcome(
        job=shop.get(name) if found else None,
        ended=found,
        seconds=seconds,
        staging=staging,
        left=left(),
        kept=sum(name not in bench.ghosts for name in shop.pods()),
        events=[(e.type, e.reason) for e in shop.events(name)],
        outputs=shop.outputs(),
        missed=missed,
    )


def _live_pods(bench: Bench) -> list[str]:
    pods = bench.core.list_namespaced_pod(bench.shop.name).items
    return [
        p.metadata.name
        for p in pods
        if p.status.phase in ("Pending", "Running") and p.metadata.name not in bench.ghosts
    ]


def _close(shop: Shop) -> None:
    """Delete the namespace with everything in it."""
    with contextlib.suppress(client.ApiException):
        shop.world.core.delete_namespace(shop.name)
