"""What jobs come: most of them succeed, and some of every twenty go another way, so that each is trodden."""

from __future__ import annotations

import enum
from typing import Any

from imagejob_operator.naming.names import API_VERSION, KIND
from simulated.actor import PART, Part
from simulated.nodes import PLACEMENT

SOURCE = "photos/one.png"
MISSING = "photos/none.png"
FOUR = [f"photos/{number}.png" for number in range(4)]


class Way(enum.StrEnum):
    """How a job goes, and what phase it ends in."""

    PLAIN = "one item, Succeeded"
    SHARDS = "four items in two Pods, Succeeded"
    RETRIED = "its Pod crashes once, Succeeded"
    FAILS = "its source is missing, Failed"
    CANCELLED = "cancelled while it runs, Cancelled"
    DELETED = "deleted while it runs"

    @property
    def holds(self) -> bool:
        """Whether its Pod must still run when something is done to it."""
        return self in (Way.CANCELLED, Way.DELETED)

    @property
    def phase(self) -> str:
        """The phase that it must end in; '' if it is gone before."""
        return self.rpartition(", ")[2] if ", " in self else ""


_TURNS = {3: Way.SHARDS, 7: Way.RETRIED, 11: Way.FAILS, 15: Way.CANCELLED, 19: Way.DELETED}


def way_of(number: int) -> Way:
    """The way of the job with a number."""
    return _TURNS.get(number % 20, Way.PLAIN)


def manifest(name: str, way: Way) -> dict[str, Any]:
    """An ImageJob for simulated nodes."""
    keys = {Way.SHARDS: FOUR, Way.FAILS: [MISSING]}.get(way, [SOURCE])
    part = Part.HOLD if way.holds else Part.CRASH_ONCE if way is Way.RETRIED else None
    template = {**PLACEMENT, **({"annotations": {PART: part.value}} if part else {})}
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "source": {"keys": keys},
            "renditions": [
                {"name": "thumb", "steps": [{"resize": {"width": 64}}], "output": {"format": "PNG"}}
            ],
            "destination": {"prefix": f"out/{name}/"},
            "execution": {"parallelism": 2, "itemsPerPod": 2, "podTemplate": template},
        },
    }
