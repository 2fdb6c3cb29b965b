"""Pods as another tenant, or anybody in the namespace, may write them: most are close to an attempt."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from fakes.build import KEY, UID
from imagejob_operator.api.imagejob import attempt_name
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

OWNER = {"apiVersion": API_VERSION, "kind": KIND, "name": KEY.name, "uid": UID, "controller": True}


def own_pod() -> dict[str, Any]:
    """The Pod of the first attempt of the job `shop/spring`, which has ended well."""
    return {
        "metadata": {
            "name": attempt_name(KEY, UID, RunPlace(1, 1), 0, 1),
            "namespace": KEY.namespace,
            "uid": "uid-of-a-pod",
            "resourceVersion": "9",
            "creationTimestamp": "2026-11-24T10:00:00Z",
            "labels": {
                LABEL_JOB: KEY.name,
                LABEL_RUN: "1",
                LABEL_EPOCH: "1",
                LABEL_SHARD: "0",
                LABEL_ATTEMPT: "1",
            },
            "ownerReferences": [dict(OWNER)],
        },
        "status": {"phase": "Succeeded"},
    }


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The Pod of the job with one field set, or removed if the value is None."""
    pod = own_pod()
    place: Any = pod
    for step in path[:-1]:
        place = place[step]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = copy.deepcopy(value)
    return pod


_names = st.sampled_from([KEY.name, KEY.namespace, "other", "", "1", UID, "spring-2"])
_owner = st.fixed_dictionaries(
    {},
    optional={
        "apiVersion": st.sampled_from([API_VERSION, "imagejob.dev/v9", "v1", "batch/v1"]),
        "kind": st.sampled_from([KIND, "Job", "ImageStore"]),
        "name": _names,
        "uid": st.sampled_from([UID, "another", ""]),
        "controller": st.sampled_from([True, False]),
    },
)
_count = st.sampled_from(["1", "0", "2", "01", "-1", "x", ""])
_labels = st.fixed_dictionaries(
    {},
    optional={
        LABEL_JOB: _names,
        LABEL_RUN: _count,
        LABEL_EPOCH: _count,
        LABEL_SHARD: _count,
        LABEL_ATTEMPT: _count,
        LABEL_RUN_UID: st.sampled_from(["", "a" * 16, "x"]),
    },
)


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """Any Pod that the API server admits and whose labels select it, most of them close to the job's own."""
    pod = own_pod()
    metadata = pod["metadata"]
    if draw(st.booleans()):
        metadata["namespace"] = draw(st.sampled_from([KEY.namespace, "other", "shop2"]))
    if draw(st.booleans()):
        metadata["name"] = draw(
            st.sampled_from([metadata["name"], "other", attempt_name(KEY, UID, RunPlace(2, 1), 0, 1)])
        )
    if draw(st.booleans()):
        metadata["labels"] = {**metadata["labels"], **draw(_labels)} if draw(st.booleans()) else draw(_labels)
    if draw(st.booleans()):
        metadata["ownerReferences"] = [
            {**OWNER, **owner} if draw(st.booleans()) else owner
            for owner in draw(st.lists(_owner, max_size=2))
        ]
    return pod
