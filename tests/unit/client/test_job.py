"""What an ImageJob reports: its end, what no operator handles, members that this version does not know."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.transport import Body, job
from imagejob import ImageJob
from imagejob.gitops import managed_by
from imagejob_cli.timeline import timeline
from imagejob_cli.watching import line_of
from imagejob_operator.api.status import Status
from imagejob_operator.naming.names import FINALIZER

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NO_OPERATOR = "for 30 s: is an operator without a class running in this cluster; is spec.class missing?"


def ago(seconds: float) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def fresh(seconds: float, **spec: str) -> ImageJob:
    made = job()
    made["metadata"]["creationTimestamp"] = ago(seconds)
    return ImageJob({**made, "spec": spec})


@pytest.mark.parametrize(
    ("phase", "generation", "finished", "succeeded"),
    [
        ("", 1, False, None),
        ("Running", 1, False, None),
        ("Succeeded", 1, True, True),
        ("Failed", 1, True, False),
        ("Cancelled", 1, True, False),
        ("Succeeded", 2, False, None),
    ],
)
def test_a_run_is_finished_if_its_status_is_of_the_spec(
    phase: str, generation: int, finished: bool, succeeded: bool | None
) -> None:
    found = ImageJob(job("a", phase, generation))
    assert (found.finished, found.succeeded) == (finished, succeeded)


def test_what_a_newer_operator_writes_hides_only_itself() -> None:
    found = ImageJob(job("a", "Enchanting", items={"total": "many"}, progress="1/2", someday={"x": 1}))
    assert (found.phase, found.status.progress, found.items.total) == ("Enchanting", "1/2", 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from([*Status.__struct_encode_fields__, "other"])


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(MEMBERS, JSON, max_size=6))
def test_no_status_makes_a_job_unreadable(status: dict[str, Any]) -> None:
    found = ImageJob({**job(), "status": status})
    assert isinstance(found.status, Status)
    assert timeline(found) == []
    assert line_of(found).startswith(found.phase)
    found.raise_if_failed()


def test_a_job_that_no_operator_serves() -> None:
    assert fresh(40, **{"class": "prodution"}).unserved(NOW) == (
        "no operator has handled it for 30 s: is an operator with the class 'prodution' running in this "
        "cluster; is spec.class 'prodution' right?"
    )
    assert fresh(40).unserved(NOW) == f"no operator has handled it {NO_OPERATOR}"
    assert fresh(5).unserved(NOW) == ""


@pytest.mark.parametrize(
    ("phase", "seconds", "finalizer", "shown"),
    [
        ("Running", 40, FINALIZER, f"no operator has handled its deletion {NO_OPERATOR}"),
        ("Failed", 40, FINALIZER, f"no operator has handled its deletion {NO_OPERATOR}"),
        ("Running", 5, FINALIZER, ""),
        ("Deleting", 40, FINALIZER, ""),
        ("Running", 40, "foregroundDeletion", ""),
        ("", 40, FINALIZER, f"no operator has handled its deletion {NO_OPERATOR}"),
        ("", 40, "foregroundDeletion", ""),
    ],
)
def test_a_deletion_that_no_operator_handles(phase: str, seconds: float, finalizer: str, shown: str) -> None:
    made = job("a", phase)
    made["metadata"] |= {"deletionTimestamp": ago(seconds), "finalizers": [finalizer]}
    assert ImageJob(made).unserved(NOW) == shown


@pytest.mark.parametrize(
    ("phase", "wanted", "seconds", "generation", "shown"),
    [
        ("Succeeded", "2", 40, 2, f"no operator has handled the new run '2' {NO_OPERATOR}"),
        ("Succeeded", "2", 5, 2, ""),
        ("Succeeded", "1", 40, 2, ""),
        ("Succeeded", "2", 40, 1, ""),
        # An operator ends the earlier run first, which may take a minute.
        ("Cancelling", "2", 40, 2, ""),
        ("Failing", "2", 40, 2, ""),
    ],
)
def test_a_new_run_that_no_operator_handles(
    phase: str, wanted: str, seconds: float, generation: int, shown: str
) -> None:
    made: Body = {**job("a", phase, generation), "spec": {"run": {"id": wanted}}}
    made["metadata"]["managedFields"] = [
        {"manager": "kubectl", "time": ago(seconds)},
        {"manager": "imagejob-operator", "subresource": "status", "time": ago(1)},
    ]
    assert ImageJob(made).unserved(NOW) == shown


@pytest.mark.parametrize(
    ("metadata", "owner"),
    [
        ({}, ""),
        ({"labels": {"team": "x"}, "managedFields": [{"manager": "kubectl"}]}, ""),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}, "the Flux Kustomization 'shop'"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "the Flux HelmRelease 'shop'"),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "the Argo CD Application 'shop'"),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:imagejob.dev/ImageJob:shop/a"}},
            "the Argo CD Application 'shop'",
        ),
        ({"managedFields": [{"manager": "argocd-controller"}]}, "Argo CD"),
        ({"managedFields": [{"manager": "kubectl"}, {"manager": "kustomize-controller"}]}, "Flux"),
    ],
)
def test_what_keeps_an_object_equal_to_a_repository(metadata: dict[str, Any], owner: str) -> None:
    assert managed_by({"metadata": metadata}) == owner
