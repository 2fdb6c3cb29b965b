"""A user writes quantities: of the Pods' resources and of the limits per item."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from fakes.build import SPEC, UID
from fakes.clock import START
from hostile.cpu_time import assert_cheap
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings, pod_manifest, remaining_time
from imagejob_operator.api.imagejob import ImageJob, parse_whole_job
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.api.status import RunStatus, Status

MOST_SECONDS = 0.05


def job(**fields: Any) -> ImageJob:
    spec = {**copy.deepcopy(SPEC), **fields}
    metadata = {"name": "spring", "namespace": "shop", "uid": UID, "resourceVersion": "1"}
    status = {"phase": "Launching", "run": {"id": "1", "number": 1, "epoch": 1}}
    return parse_whole_job({"metadata": metadata, "spec": spec, "status": status})


def with_resources(**resources: dict[str, Any]) -> ImageJob:
    return job(execution={"podTemplate": {"resources": resources}})


ENORMOUS = ["1e9999999999999999999", "1e1000000", "9" * 400, "1E-999999999", "0." + "0" * 4000 + "1", 10**40]


@pytest.mark.parametrize("quantity", ENORMOUS, ids=lambda quantity: str(quantity)[:20])
@pytest.mark.parametrize("resource", ["cpu", "memory", "ephemeral-storage"])
@pytest.mark.parametrize("kind", ["limits", "requests"])
def test_an_enormous_quantity_is_refused_at_once(kind: str, resource: str, quantity: Any) -> None:
    """Parsing must neither raise nor take time: it runs in the watch handler, for all jobs."""

    def parse() -> None:
        parsed = with_resources(**{kind: {resource: quantity}})
        assert isinstance(parsed.spec, InvalidSpec)
        assert resource in str(parsed.spec)

    assert_cheap(parse, MOST_SECONDS)


@pytest.mark.parametrize("quantity", ["1e15", "999999999999999", "9223372036854775807", 2**62])
@pytest.mark.parametrize("resource", ["cpu", "memory"])
def test_the_manifest_of_a_large_quantity_is_made_at_once(resource: str, quantity: Any) -> None:
    """A Pod is described in the reconcile loop: a CPU limit must not make its memory an endless number."""
    parsed = with_resources(limits={resource: quantity})
    if isinstance(parsed.spec, InvalidSpec):
        return
    arguments = PodSettings("default", "image"), parsed, 0, 1, remaining_time(START, START)
    assert_cheap(lambda: pod_manifest(*arguments), MOST_SECONDS)
    for kind in pod_manifest(*arguments)["spec"]["containers"][0]["resources"].values():
        assert all(len(str(value)) <= 30 for value in kind.values())


@pytest.mark.parametrize("size", ["9999999999Gi", "100Gi", "99999999999999"])
def test_an_item_larger_than_any_store_takes_is_refused(size: str) -> None:
    """The memory of a Pod follows from the size of an item: it must stay a number that Kubernetes takes."""
    assert isinstance(job(limits={"itemSize": size}).spec, InvalidSpec)
    output = {"format": "JPEG", "maxSize": size}
    assert isinstance(job(renditions=[{"name": "web", "output": output}]).spec, InvalidSpec)


def test_the_status_of_such_a_job_is_kept() -> None:
    assert with_resources(limits={"cpu": "1e1000000"}).status == Status(
        phase="Launching", run=RunStatus(id="1", number=1, epoch=1)
    )
