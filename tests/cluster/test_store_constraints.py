"""The real API server refuses ImageStores that break a constraint, and every change of where a store is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.crd_cases import Case, Change, changed
from cluster.store_cases import FIXED, FREE, LOCATION, SPEC, STATUS, STORE

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]
PLURAL = "imagestores"


def refused(answer: Any) -> bool:
    return not isinstance(answer, dict)


@pytest.mark.parametrize("case", SPEC, ids=str)
def test_spec_constraint(cluster: Any, namespace: str, case: Case) -> None:
    for value in case.refused:
        body = changed(case.base, (case.path, value))
        answer = cluster.create(namespace, body, dry_run=True, plural=PLURAL)
        assert refused(answer), f"{value!r:.80} was accepted"
        assert answer.names(case.at, case.says), f"{value!r:.80}: {answer.causes}"
    for value in case.accepted:
        body = changed(case.base, (case.path, value))
        answer = cluster.create(namespace, body, dry_run=True, plural=PLURAL)
        assert not refused(answer), f"{value!r:.80}: {answer.causes or answer.message}"


@pytest.fixture(scope="module")
def stored(cluster: Any, namespace: str) -> Iterator[dict[str, Any]]:
    """An ImageStore that is there, for the cases of the status."""
    yield cluster.create(namespace, changed(STORE, ("metadata.name", "stored")), plural=PLURAL)
    cluster.delete(namespace, "stored", PLURAL)


@pytest.mark.parametrize("case", STATUS, ids=str)
def test_status_constraint(cluster: Any, namespace: str, stored: dict[str, Any], case: Case) -> None:
    def answer_to(value: Any) -> Any:
        body = {**copy.deepcopy(stored), "status": changed(case.base, (case.path, value))["status"]}
        return cluster.replace(namespace, body, status=True, dry_run=True, plural=PLURAL)

    for value in case.refused:
        answer = answer_to(value)
        assert refused(answer), f"{value!r:.80} was accepted"
        assert answer.names(case.at, case.says), f"{value!r:.80}: {answer.causes}"
    for value in case.accepted:
        answer = answer_to(value)
        assert not refused(answer), f"{value!r:.80}: {answer.causes or answer.message}"


def ask(cluster: Any, namespace: str, change: Change) -> Any:
    """What an update is answered."""
    old = changed(change.base, ("metadata.name", "changing"), *change.old)
    made = cluster.create(namespace, old, plural=PLURAL)
    assert not refused(made), made
    try:
        new = changed(change.base, ("metadata.name", "changing"), *change.new)
        new["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"]
        return cluster.replace(namespace, new, dry_run=True, plural=PLURAL)
    finally:
        cluster.delete(namespace, "changing", PLURAL)


@pytest.mark.parametrize("change", LOCATION, ids=str)
def test_where_a_store_is_cannot_change(cluster: Any, namespace: str, change: Change) -> None:
    answer = ask(cluster, namespace, change)
    assert refused(answer)
    assert answer.names("spec", FIXED), answer.causes


@pytest.mark.parametrize("change", FREE, ids=str)
def test_who_we_are_to_it_can(cluster: Any, namespace: str, change: Change) -> None:
    answer = ask(cluster, namespace, change)
    assert not refused(answer), answer.causes


def test_it_is_shown_with_its_columns(cluster: Any, namespace: str, stored: dict[str, Any]) -> None:
    shown = cluster.kubectl("get", "is", "-n", namespace)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.split()[:6] == ["NAME", "READY", "REASON", "ENDPOINT", "BUCKET", "AGE"]


def test_the_singular_of_imagejobs_still_means_one_kind(cluster: Any, namespace: str) -> None:
    """It is a category too: a second kind in it would make `kubectl delete imagejob NAME` an error."""
    asked = cluster.kubectl("get", "imagejob", "missing", "-n", namespace)
    assert 'imagejobs.imagejob.dev "missing" not found' in asked.stderr
