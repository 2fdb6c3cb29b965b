"""The vocabulary of scenarios: conditions and actions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from chaos.arena import KEY, Arena
from chaos.scenario import Step
from fakes.memory_owners import OTHER_CLUSTER, OTHER_FOLDER, GarbageCounts, MemoryOwners
from fakes.memory_store import MemoryStore
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT
from imagejob_operator.naming.prefixes import own_staging_prefix, staging_prefix
from imagejob_operator.operations.object_metadata import JOB, RUN, job_hash
from imagejob_operator.ports.object_store import ObjectHeaders, StoreError, StoreUnavailable

When = Callable[[Arena], bool]
Do = Callable[[Arena], object]
OTHER_UID = "0000bbbb-1111-2222-3333-444455556666"
"""Of a job in another cluster."""

# --- when ---------------------------------------------------------------------------------------------------


def phase(name: str) -> When:
    """When the job is in this phase; in Staging and Publishing, when the first object was copied as well.

    In Validating, when its report was tried: the objects of the check are deleted by then. The status may
    still say Running while the run is publishing.
    """
    copied = {"Staging": "/in/000000", "Publishing": "catalog/uploads/a-web.webp"}.get(name, "")
    shown = ("Launching", "Running", name) if name == "Publishing" else (name,)

    def holds(arena: Arena) -> bool:
        if arena.job is None or arena.job.status.phase not in shown:
            return False
        if name == "Validating":
            return any(f"{REPORT_ROOT}/" in request.about for request in arena.requests)
        return not copied or arena.somewhere(copied)

    return holds


def all_copied(arena: Arena) -> bool:
    """When the run is still in Staging, though both sources are there."""
    return phase("Staging")(arena) and arena.somewhere("/in/000001")


def finished(name: str) -> When:
    """When the run has ended so, and nothing is left to do for it."""
    return lambda arena: phase(name)(arena) and arena.ended()


def clean(arena: Arena) -> bool:
    """When the job reports that its staging is empty."""
    cleaned = arena.job.status.condition("StagingCleaned") if arena.job else None
    return cleaned is not None and cleaned.status == "True"


def rested(arena: Arena) -> bool:
    """When the job is suspended, and its staging was emptied if there was any."""
    job = arena.job
    return phase("Suspended")(arena) and (clean(arena) or job is None or job.status.staging is None)


def gone(arena: Arena) -> bool:
    return arena.job is None


def runs_before(count: int) -> When:
    """When the history has so many runs."""
    return lambda arena: bool(arena.job and len(arena.job.status.history) == count)


def launched(count: int) -> When:
    return lambda arena: len(arena.promises.launches) == count


def nothing_lingers(arena: Arena) -> bool:
    """When the run has ended, and no Pod outlasts its processor."""
    return arena.ended() and not any(attempt.lingers for _, attempt in arena.cluster.attempts())


def nothing_staged(arena: Arena) -> bool:
    return not arena.somewhere_in(f"{STAGING_ROOT}/", but="/clock.txt")


def theirs_untouched(arena: Arena) -> bool:
    """When the run has ended and the staging of another cluster still exists."""
    return arena.ended() and len(arena.store.keys(own_staging_prefix(OTHER_FOLDER))) == 2


# --- what somebody does -------------------------------------------------------------------------------------


def edit(**fields: Any) -> Do:
    return lambda arena: arena.cluster.edit(KEY, **fields)


def delete(arena: Arena) -> None:
    arena.cluster.user_deletes(KEY)


def create(spec: Mapping[str, Any]) -> Do:
    return lambda arena: arena.cluster.create(KEY.name, spec)


def other_cluster_stages(arena: Arena) -> None:
    """An installation of the same name in another cluster has staged objects in the same bucket."""
    arena.store.set(f"{staging_prefix(OTHER_FOLDER, KEY.namespace, OTHER_UID, 1, 1)}in/000009", b"theirs")


def other_cluster_sweeps(arena: Arena) -> None:
    """Its garbage collector runs, and knows no job of this cluster."""
    bucket = MemoryStore(arena.clock)
    bucket.objects = arena.store.objects
    owners = MemoryOwners(OTHER_CLUSTER)
    owners.put(OTHER_UID)
    asyncio.run(GarbageCollector(bucket, owners, GarbageCounts(), GarbagePolicy(OTHER_FOLDER)).sweep())


def nothing(arena: Arena) -> None:
    """Only wait."""


def collected(arena: Arena) -> None:
    """A user deletes a Pod that has ended."""
    first = next(a for _, a in arena.cluster.attempts() if not a.live)
    arena.cluster.take_away(KEY.namespace, first.name)


def upload(key: str, data: bytes) -> Do:
    return lambda arena: arena.store.set(key, data, "image/any")


def of_another_job(key: str) -> Do:
    """An output that another ImageJob wrote."""
    metadata = {RUN: "0123", JOB: job_hash(Key("shop", "summer"))}
    headers = ObjectHeaders("image/webp", metadata=metadata)
    return lambda arena: arena.store.set(key, b"theirs", headers=headers)


def both(first: Do, second: Do) -> Do:
    return lambda arena: (first(arena), second(arena))


def away(seconds: float) -> Do:
    """No operator runs for so many seconds."""
    return lambda arena: arena.away(seconds)


def wait(when: When) -> Step:
    return Step(when, nothing)


# --- what the world does with requests ------------------------------------------------------------


def refuse(problem: Problem, *shards: int) -> Do:
    """Pods of these shards cannot be created."""
    return lambda arena: arena.cluster.refusals.update(dict.fromkeys(shards, problem))


def fail(error: StoreError, operation: str, about: str = "") -> Do:
    """These calls to the store always fail."""
    return lambda arena: arena.store.hooks.fail(error, operation, about)


def fail_until(seconds: float, operation: str, about: str = "") -> Do:
    """The store does not respond to these calls before that second."""
    return fail_while(lambda arena: arena.now < seconds, operation, about)


def fail_while(when: When, operation: str, about: str = "") -> Do:
    """The store does not respond to these calls while a condition holds."""

    def prepare(arena: Arena) -> None:
        async def refuse(called: str, key: str, done: bool) -> None:
            if not done and called == operation and about in key and when(arena):
                raise StoreUnavailable("no answer")

        arena.store.hooks.install(refuse)

    return prepare


def first_run(arena: Arena) -> bool:
    """When the job is in its first run."""
    run = arena.job.status.run if arena.job else None
    return run is not None and run.number == 1


def first_epoch(arena: Arena) -> bool:
    """When the job is in its first run, which was not suspended yet."""
    run = arena.job.status.run if arena.job else None
    return first_run(arena) and run is not None and run.epoch <= 1


never_validated = fail_while(first_run, "put", f"{REPORT_ROOT}/")
"""The first run stays in Validating until somebody acts."""
never_compensated = fail_while(first_run, "put_if_absent", f"{REPORT_ROOT}/")
"""The first run stays in Failing or Cancelling until a user acts; its report is never written."""
never_staged = fail_while(first_epoch, "put", "/manifest.json")
"""The first run stays in Staging until somebody acts."""
never_published = fail_while(first_epoch, "copy", "catalog/uploads/b")
"""The first run stays in Publishing until somebody acts; one of two outputs is there."""
