"""Capacity: what the Pods of a run ask for, and whether it is enough for what may come their way.

A Pod has a decoding process for each whole CPU of its limit. Memory follows from the limits per item: the
limit is what the dearest image that they admit takes, the request what a JPEG or PNG of that size takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from imagejob_contract.order import ItemLimits
from imagejob_contract.pod_memory import MIB, likely_bytes, memory_bytes, pod_bytes
from imagejob_contract.recipe import Rendition

CPU_REQUEST, CPU_LIMIT = "500m", "1"
_WHERE = "spec.execution.podTemplate.resources.limits.memory"
_SUFFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18, "m": -3, "u": -6, "n": -9}
_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")


class TooSmall(ValueError):
    """The Pods cannot hold what the limits admit; the message names the field, the value and the need."""


def amount(quantity: str | int) -> Decimal:
    """Read a quantity of Kubernetes such as 500m, 1Gi or 1e3."""
    text = str(quantity)
    if text[-2:] in _BINARY:
        return Decimal(text[:-2]) * Decimal(1024) ** (_BINARY.index(text[-2:]) + 1)
    if text[-1:] in _SUFFIXES:
        return Decimal(text[:-1]).scaleb(_SUFFIXES[text[-1]])
    return Decimal(text)


def check_capacity(renditions: Sequence[Rendition], limits: ItemLimits, resources: Mapping[str, Any]) -> None:
    """Hold the memory that a user gives to Pods against what one decoding process may need.

    Raises:
        TooSmall: It would not be enough for an image at the limits.
    """
    given = resources.get("limits", {}).get("memory")
    need = pod_bytes(memory_bytes(renditions, limits), limits, 1)
    if given is not None and amount(given) < need:
        raise TooSmall(
            f"{_WHERE}: {given} is not enough for what spec.limits admit (pixels {limits.pixels}, "
            f"itemSize {limits.item_bytes} bytes): a Pod with one worker may need {_mebibytes(need)}; "
            "give it that, or lower spec.limits.pixels or itemSize"
        )


def pod_resources(
    renditions: Sequence[Rendition], limits: ItemLimits, resources: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Give requests and limits of a Pod: what the user set, and for the rest what follows from it."""
    requests, most = dict(resources.get("requests", {})), dict(resources.get("limits", {}))
    if "cpu" not in most:
        most["cpu"] = requests["cpu"] if amount(requests.get("cpu", 0)) > amount(CPU_LIMIT) else CPU_LIMIT
    if "cpu" not in requests:
        requests["cpu"] = CPU_REQUEST if amount(most["cpu"]) >= amount(CPU_REQUEST) else most["cpu"]
    workers = max(1, int(amount(most["cpu"])))
    if "memory" not in most:
        need = pod_bytes(memory_bytes(renditions, limits), limits, workers)
        more = "memory" in requests and amount(requests["memory"]) > need
        most["memory"] = requests["memory"] if more else _mebibytes(need)
    if "memory" not in requests:
        likely = pod_bytes(likely_bytes(renditions, limits), limits, workers)
        requests["memory"] = _mebibytes(likely) if amount(most["memory"]) >= likely else most["memory"]
    return {"requests": requests, "limits": most}


def _mebibytes(count: int) -> str:
    """Write bytes as a quantity, rounded up."""
    return f"{-(-count // MIB)}Mi"
