"""Jobs that are deleted in any phase, also while the store is unavailable."""

from __future__ import annotations

from typing import Any

from e2e.faults.arena import BUDGET
from e2e.faults.bench import Bench, Case, job
from e2e.faults.cases_ends import FINAL, change
from e2e.faults.cases_pods import quota
from e2e.faults.cases_runs import held_source
from e2e.faults.store_faults import cut, held, refused, silence


def delete_in(wanted: str) -> Any:
    """Delete the job in a phase; then, in some cases, the store fails."""

    def then(bench: Bench, name: str) -> None:
        bench.reach(name, wanted)
        for fault in bench.faults_on_delete:
            bench.store(fault)
        bench.shop.start_deletion(name)

    return then


def delete_while_copying(bench: Bench, name: str) -> None:
    delete_in("Publishing")(bench, name)
    bench.released.set()


def suspend_and_delete(bench: Bench, name: str) -> None:
    change(bench, name, suspend=True)
    delete_in("Suspended")(bench, name)


def delete_namespace(bench: Bench, name: str) -> None:
    bench.reach(name, "Running")
    bench.core.delete_namespace(bench.shop.name)


def struck(fault: Any, also: Any = None) -> Any:
    def broken(bench: Bench) -> None:
        bench.faults_on_delete.append(fault)
        if also:
            also(bench)

    return broken


CASES = (
    Case(
        "delete-staging-store-silent",
        "deleted in Staging, while the store answers nothing",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=lambda b: b.store(silence, "copy"),
        then=delete_in("Staging"),
    ),
    Case(
        "delete-launching-store-unreachable",
        "deleted in Launching, while every connection to the store is reset",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(cut, quota(pods="0")),
        then=delete_in("Launching"),
    ),
    Case(
        "delete-running-credentials-gone",
        "deleted in Running, while the store does not know the credentials",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(refused(403, "InvalidAccessKeyId"), held_source),
        then=delete_in("Running"),
    ),
    Case(
        "delete-running-bucket-gone",
        "deleted in Running, while there is no bucket",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(refused(404, "NoSuchBucket"), held_source),
        then=delete_in("Running"),
    ),
    Case(
        "delete-publishing",
        "deleted in Publishing, while a copy is under way",
        "Deleted",
        within=BUDGET,
        outputs=1,
        broken=lambda b: b.store(held(b.released), "copy", about=FINAL),
        then=delete_while_copying,
    ),
    Case(
        "delete-failing-store-silent",
        "deleted in Failing, while the store answers no delete",
        "Deleted",
        within=2 * BUDGET,
        deferred=True,
        job=job(source={"match": {"prefix": "nothing/"}}),
        broken=lambda b: b.store(silence, "list", "delete", about=".imagejob-staging"),
        then=delete_in("Failing"),
    ),
    Case(
        "delete-suspended-store-unreachable",
        "deleted in Suspended, while every connection to the store is reset",
        "Deleted",
        within=5 + 2 * BUDGET,
        deferred=True,
        broken=struck(cut, held_source),
        then=suspend_and_delete,
    ),
    Case(
        "namespace-deleted",
        "the namespace is deleted while a Pod runs",
        "Deleted",
        within=2 * BUDGET,
        broken=held_source,
        then=delete_namespace,
    ),
)
