"""Requests and limits of Pods, and the check of the memory limit."""

from decimal import Decimal
from typing import Any

import pytest

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format, Output
from imagejob_contract.pod_memory import MIB, fitting_workers, memory_bytes, pod_bytes
from imagejob_contract.recipe import Rendition
from imagejob_operator.validation.pod_resources import TooSmall, check_capacity, pod_resources
from imagejob_operator.validation.quantities import amount

RENDITIONS = (Rendition("web", Output(Format.JPEG)),)
LIMITS = ItemLimits(8 * MIB, 12_000_000, 1, 30)
NEED = pod_bytes(memory_bytes(RENDITIONS, LIMITS), LIMITS, 1)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("1", "1"), (2, "2"), ("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), ("1k", "1000"),
        ("2M", "2000000"), ("1e3", "1000"), ("1E3", "1000"), ("1E", "1e18"), (".5", "0.5"), ("+1", "1"),
        ("100u", "0.0001"), ("1Ei", str(2**60)),
    ],
)  # fmt: skip
def test_quantities_are_parsed(quantity: str | int, value: str) -> None:
    assert amount(quantity) == Decimal(value)


def asked(**resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return pod_resources(RENDITIONS, LIMITS, resources)


def test_the_default_limit_suffices_for_the_most_expensive_image() -> None:
    pod = asked()
    assert pod["requests"]["cpu"] == "500m"
    assert pod["limits"]["cpu"] == "1"
    assert NEED <= amount(pod["limits"]["memory"]) < NEED + MIB
    assert amount(pod["requests"]["memory"]) < amount(pod["limits"]["memory"])


@pytest.mark.parametrize("cpu", ["1", "2500m", 4])
def test_memory_grows_with_the_workers(cpu: str | int) -> None:
    pod = asked(limits={"cpu": cpu})
    workers = int(amount(cpu))
    need = memory_bytes(RENDITIONS, LIMITS)
    limit = int(amount(pod["limits"]["memory"]))
    assert fitting_workers(workers, need, LIMITS, limit) == workers
    assert limit < pod_bytes(need, LIMITS, workers) + MIB


@pytest.mark.parametrize(
    "resources",
    [
        {"requests": {"cpu": "4"}},
        {"requests": {"memory": "900Gi"}},
        {"limits": {"memory": "400Mi"}},
        {"limits": {"cpu": "100m"}},
        {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        {"limits": {"example.com/slot": "1"}},
    ],
    ids=str,
)
def test_values_of_the_user_are_kept_and_defaults_fit_them(resources: dict[str, Any]) -> None:
    pod = asked(**resources)
    for kind, given in resources.items():
        assert given.items() <= pod[kind].items()
    for name in ("cpu", "memory"):
        assert amount(pod["requests"][name]) <= amount(pod["limits"][name])


@pytest.mark.parametrize("given", [str(NEED), f"{NEED // MIB + 1}Mi", "1Gi", 2**40])
def test_enough_memory_is_accepted(given: str | int) -> None:
    check_capacity(RENDITIONS, LIMITS, {"limits": {"memory": given}})


def test_no_limit_is_accepted() -> None:
    check_capacity(RENDITIONS, LIMITS, {})
    check_capacity(RENDITIONS, LIMITS, {"requests": {"memory": "1Mi"}})


@pytest.mark.parametrize("given", [str(NEED - 1), "20Mi", "100M", "1m"])
def test_too_little_is_rejected_with_field_value_and_minimum(given: str) -> None:
    with pytest.raises(TooSmall) as refusal:
        check_capacity(RENDITIONS, LIMITS, {"limits": {"memory": given}})
    message = str(refusal.value)
    assert message.startswith(f"spec.execution.podTemplate.resources.limits.memory: {given} is not enough")
    assert "pixels 12000000" in message
    assert f"{-(-NEED // MIB)}Mi" in message
