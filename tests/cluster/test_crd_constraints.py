"""The real API server refuses what each constraint forbids, names the field, and accepts the boundary."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.crd_cases import (
    CLASS_STAYS,
    FREE,
    KEYS,
    NEEDS_NEW_RUN,
    NEVER,
    RUN_ID_ASKED,
    SPEC,
    STATUS,
    Case,
    Change,
    changed,
)

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def refused(answer: Any) -> bool:
    return not isinstance(answer, dict)


@pytest.mark.parametrize("case", SPEC, ids=str)
def test_spec_constraint(cluster: Any, namespace: str, case: Case) -> None:
    for value in case.refused:
        answer = cluster.create(namespace, changed(case.base, (case.path, value)), dry_run=True)
        assert refused(answer), f"{value!r:.80} was accepted"
        assert answer.names(case.at, case.says), f"{value!r:.80}: {answer.causes}"
    for value in case.accepted:
        answer = cluster.create(namespace, changed(case.base, (case.path, value)), dry_run=True)
        assert not refused(answer), f"{value!r:.80}: {answer.causes or answer.message}"


@pytest.fixture(scope="module")
def stored(cluster: Any, namespace: str) -> Iterator[dict[str, Any]]:
    """An ImageJob that is there, for the cases of the status."""
    body = cluster.create(namespace, changed(KEYS, ("metadata.name", "stored")))
    yield body
    cluster.delete(namespace, "stored")


@pytest.mark.parametrize("case", STATUS, ids=str)
def test_status_constraint(cluster: Any, namespace: str, stored: dict[str, Any], case: Case) -> None:
    def answer_to(value: Any) -> Any:
        status = changed(case.base, (case.path, value))["status"]
        body = {**copy.deepcopy(stored), "status": status}
        return cluster.replace(namespace, body, status=True, dry_run=True)

    for value in case.refused:
        answer = answer_to(value)
        assert refused(answer), f"{value!r:.80} was accepted"
        assert answer.names(case.at, case.says), f"{value!r:.80}: {answer.causes}"
    for value in case.accepted:
        answer = answer_to(value)
        assert not refused(answer), f"{value!r:.80}: {answer.causes or answer.message}"


@pytest.fixture
def update(cluster: Any, namespace: str) -> Iterator[Any]:
    """Create an object, then ask what an update of it would be answered."""
    created: list[str] = []

    def ask(change: Change, *more: tuple[str, Any]) -> Any:
        base = change.base or KEYS
        if not created:
            old = changed(base, ("metadata.name", "changing"), *change.old)
            answer = cluster.create(namespace, old)
            assert not refused(answer), answer
            created.append(answer["metadata"]["resourceVersion"])
        new = changed(base, ("metadata.name", "changing"), *change.new, *more)
        new["metadata"]["resourceVersion"] = created[0]
        return cluster.replace(namespace, new, dry_run=True)

    yield ask
    if created:
        cluster.delete(namespace, "changing")


@pytest.mark.parametrize("change", NEEDS_NEW_RUN, ids=str)
def test_change_needs_a_new_run(update: Any, change: Change) -> None:
    answer = update(change)
    assert refused(answer)
    assert answer.names("spec.run.id", RUN_ID_ASKED), answer.causes
    assert not refused(update(change, ("spec.run.id", "2")))


@pytest.mark.parametrize("change", NEVER, ids=str)
def test_change_is_never_allowed(update: Any, change: Change) -> None:
    answer = update(change, ("spec.run.id", "2"))
    assert refused(answer)
    assert answer.names("spec.class", CLASS_STAYS), answer.causes


@pytest.mark.parametrize("change", FREE, ids=str)
def test_free_change(update: Any, change: Change) -> None:
    answer = update(change)
    assert not refused(answer), answer.causes
