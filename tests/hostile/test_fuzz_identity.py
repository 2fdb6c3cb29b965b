"""Anybody who may create Pods writes any labels and owners: a Pod belongs to a job if all of them agree."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given

from fakes.build import KEY, UID, job
from hostile.generators_identity import OWNER, changed, own_pod, pods
from imagejob_operator.adapters.kubernetes import pod_status
from imagejob_operator.api.imagejob import Identity, attempt_name
from imagejob_operator.api.status import RunPlace
from imagejob_operator.naming.names import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_EPOCH,
    LABEL_JOB,
    LABEL_RUN,
    LABEL_RUN_UID,
    LABEL_SHARD,
)


def agrees(pod: dict[str, Any]) -> bool:
    """Whether everything in a Pod names the job; written from the API conventions, not from the code."""
    metadata = pod["metadata"]
    owners = [one for one in metadata.get("ownerReferences", ()) if one.get("controller") is True]
    wanted = {"apiVersion": API_VERSION, "kind": KIND, "name": KEY.name, "uid": UID, "controller": True}
    labels = metadata.get("labels", {})
    numbers = [labels.get(name, "") for name in (LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT)]
    if not all(number.lstrip("-").isdigit() for number in numbers):
        return False
    run, epoch, shard, attempt = map(int, numbers)
    place = RunPlace(run, epoch, labels.get(LABEL_RUN_UID, ""))
    return (
        metadata["namespace"] == KEY.namespace
        and owners == [wanted]
        and labels.get(LABEL_JOB) == KEY.name
        and metadata["name"] == attempt_name(KEY, UID, place, shard, attempt)
    )


def belongs_if_all_agree(pod: dict[str, Any]) -> None:
    """A Pod is an attempt of the job exactly if all that names the job agrees."""
    found = pod_status.read_attempt(pod)
    belongs = found is not None and found[0] == job().identity
    assert belongs == agrees(pod)


@given(pods())
@example(own_pod())
@example(changed(("metadata", "namespace"), "other"))
@example(changed(("metadata", "labels", LABEL_JOB), None))
@example(changed(("metadata", "ownerReferences"), [{**OWNER, "name": "shop"}, OWNER]))
@example(
    {
        "metadata": {
            "name": "a",
            "namespace": "shop",
            "ownerReferences": [{"apiVersion": API_VERSION, "kind": KIND, "controller": True}],
        }
    }
)
def test_a_pod_belongs_to_a_job_if_all_agree(pod: dict[str, Any]) -> None:
    """Neither a forged Pod is taken for an attempt, nor an attempt overlooked."""
    belongs_if_all_agree(pod)


def test_the_fuzzer_finds_a_check_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: the owner is known by its uid alone, wherever the Pod is."""

    def by_uid(metadata: dict[str, Any], labels: dict[str, str]) -> Identity | None:
        owners = metadata.get("ownerReferences", ())
        return next((Identity(KEY, UID) for one in owners if one.get("uid") == UID), None)

    monkeypatch.setattr(pod_status, "_owner", by_uid)
    with pytest.raises(AssertionError):
        given(pods())(belongs_if_all_agree)()
