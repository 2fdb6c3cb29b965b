"""What Pods ask for, and which memory is refused as too little."""

from decimal import Decimal
from typing import Any

import pytest

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format, Output
from imagejob_contract.pod_memory import MIB, fitting_workers, memory_bytes, pod_bytes
from imagejob_contract.recipe import Rendition
from imagejob_operator.validation.pod_resources import TooSmall, amount, check_capacity, pod_resources

WAYS = (Rendition("web", Output(Format.JPEG)),)
LIMITS = ItemLimits(8 * MIB, 12_000_000, 1, 30)
NEED = pod_bytes(memory_bytes(WAYS, LIMITS), LIMITS, 1)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("1", "1"), (2, "2"), ("500m", "0.5"), ("1Ki", "1024"), ("1.5Gi", "1610612736"), ("1k", "1000"),
        ("2M", "2000000"), ("1e3", "1000"), ("1E3", "1000"), ("1E", "1e18"), (".5", "0.5"), ("+1", "1"),
        ("100u", "0.0001"), ("1Ei", str(2**60)),
    ],
)  # fmt: skip
def test_quantities_are_read(quantity: str | int, value: str) -> None:
    assert amount(quantity) == Decimal(value)


def asked(**resources: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return pod_resources(WAYS, LIMITS, resources)


def test_without_a_template_the_limit_is_what_the_dearest_image_takes() -> None:
    pod = asked()
    assert pod["requests"]["cpu"] == "500m"
    assert pod["limits"]["cpu"] == "1"
    assert NEED <= amount(pod["limits"]["memory"]) < NEED + MIB
    assert amount(pod["requests"]["memory"]) < amount(pod["limits"]["memory"])


@pytest.mark.parametrize("cpu", ["1", "2500m", 4])
def test_memory_grows_with_the_workers(cpu: str | int) -> None:
    pod = asked(limits={"cpu": cpu})
    workers = int(amount(cpu))
    need = memory_bytes(WAYS, LIMITS)
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
def test_what_the_user_set_stays_and_the_rest_fits_to_it(resources: dict[str, Any]) -> None:
    pod = asked(**resources)
    for kind, given in resources.items():
        assert given.items() <= pod[kind].items()
    for name in ("cpu", "memory"):
        assert amount(pod["requests"][name]) <= amount(pod["limits"][name])


@pytest.mark.parametrize("given", [str(NEED), f"{NEED // MIB + 1}Mi", "1Gi", 2**40])
def test_enough_memory_is_accepted(given: str | int) -> None:
    check_capacity(WAYS, LIMITS, {"limits": {"memory": given}})


def test_a_limit_that_is_not_set_is_no_limit() -> None:
    check_capacity(WAYS, LIMITS, {})
    check_capacity(WAYS, LIMITS, {"requests": {"memory": "1Mi"}})


@pytest.mark.parametrize("given", [str(NEED - 1), "20Mi", "100M", "1m"])
def test_too_little_is_refused_with_field_value_and_need(given: str) -> None:
    with pytest.raises(TooSmall) as refusal:
        check_capacity(WAYS, LIMITS, {"limits": {"memory": given}})
    said = str(refusal.value)
    assert said.startswith(f"spec.execution.podTemplate.resources.limits.memory: {given} is not enough")
    assert "pixels 12000000" in said
    assert f"{-(-NEED // MIB)}Mi" in said
