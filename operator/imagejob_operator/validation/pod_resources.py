"""Requests and limits of the Pods of a run.

A Pod has one worker process per whole CPU of its limit. The memory limit is what the most expensive image
within the limits per item requires, the memory request what a JPEG or PNG of that size requires.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagejob_contract.order import ItemLimits
from imagejob_contract.pod_memory import MAX_WORKERS, MIB, likely_bytes, memory_bytes, pod_bytes
from imagejob_contract.recipe import Rendition
from imagejob_operator.validation.quantities import amount

CPU_REQUEST, CPU_LIMIT = "500m", "1"
_WHERE = "spec.execution.podTemplate.resources.limits.memory"


class TooSmall(ValueError):
    """The memory limit is too small; the message names the field, the value and the minimum."""


def check_capacity(renditions: Sequence[Rendition], limits: ItemLimits, resources: Mapping[str, Any]) -> None:
    """Raise TooSmall if the memory limit is not sufficient for one worker with an image at the limits."""
    given = resources.get("limits", {}).get("memory")
    need = pod_bytes(memory_bytes(renditions, limits), limits, 1)
    if given is not None and amount(given) < need:
        raise TooSmall(
            f"{_WHERE}: {given} is not enough for an image within spec.limits (pixels {limits.pixels}, "
            f"itemSize {limits.item_bytes} bytes), which may need {_mebibytes(need)}; set at least "
            f"{_mebibytes(need)}, or reduce spec.limits.pixels or itemSize"
        )


def pod_resources(
    renditions: Sequence[Rendition], limits: ItemLimits, resources: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The requests and limits of a Pod: the values of the user, with defaults for the rest."""
    requests, most = dict(resources.get("requests", {})), dict(resources.get("limits", {}))
    if "cpu" not in most:
        most["cpu"] = requests["cpu"] if amount(requests.get("cpu", 0)) > amount(CPU_LIMIT) else CPU_LIMIT
    if "cpu" not in requests:
        requests["cpu"] = CPU_REQUEST if amount(most["cpu"]) >= amount(CPU_REQUEST) else most["cpu"]
    workers = max(1, min(int(amount(most["cpu"])), MAX_WORKERS))
    if "memory" not in most:
        need = pod_bytes(memory_bytes(renditions, limits), limits, workers)
        more = "memory" in requests and amount(requests["memory"]) > need
        most["memory"] = requests["memory"] if more else _mebibytes(need)
    if "memory" not in requests:
        likely = pod_bytes(likely_bytes(renditions, limits), limits, workers)
        requests["memory"] = _mebibytes(likely) if amount(most["memory"]) >= likely else most["memory"]
    return {"requests": requests, "limits": most}


def _mebibytes(count: int) -> str:
    """Format bytes as a quantity, rounded up."""
    return f"{-(-count // MIB)}Mi"
