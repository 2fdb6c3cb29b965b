"""The kinds of jobs that run while the operator is killed, and their expected outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

End = tuple[str, str, str]
"""Phase, code and reason."""

PHOTOS = ("chelsea.png", "rocket.jpg")
KEYS = tuple(f"photos/{name}" for name in PHOTOS)
BROKEN = "photos/broken.jpg"
MISSING = "photos/missing.jpg"

SUCCEEDED: End = ("Succeeded", "", "")
VALIDATED: End = ("Succeeded", "", "Validated")
CANCELLED: End = ("Cancelled", "JOB_008", "Cancelled")
GONE: End = ("", "", "")


@dataclass(frozen=True)
class Wish:
    """The action of a user on a job, at any time or after its end."""

    spec: Mapping[str, Any] | None
    """What is patched in its spec; None: the job is deleted."""
    once_ended: bool = False


@dataclass(frozen=True)
class Kind:
    """One kind of job."""

    name: str
    ends: tuple[End, ...] = (SUCCEEDED,)
    """Each way in which it may end: a wish may come before its end or after it."""
    keys: tuple[str, ...] = KEYS
    spec: Mapping[str, Any] = field(default_factory=dict)
    wishes: tuple[Wish, ...] = ()
    runs: tuple[int, ...] = (1,)
    """How many runs it may have had at its end."""
    run_id: str = "1"
    """The id of the last one."""
    epochs: int = 1
    """How often at most its shards may be launched: once an epoch of each run."""
    publishes: bool = True
    """Whether a success has outputs."""


UNSCHEDULABLE = {"podTemplate": {"nodeSelector": {"no": "such-node"}}, "startDeadlineSeconds": 4}
AGAIN = {"run": {"id": "2"}}
VALIDATE = {"id": "1", "mode": "Validate"}

KINDS = (
    Kind("well"),
    Kind("item-fails", (("Failed", "JOB_005", "ItemsFailed"),), (*KEYS, BROKEN)),
    Kind("staging-fails", (("Failed", "JOB_002", "SourceNotFound"),), (*KEYS, MISSING)),
    Kind("launch-fails", (("Failed", "JOB_003", "Unschedulable"),), spec={"execution": UNSCHEDULABLE}),
    Kind("deleted", (GONE,), wishes=(Wish(None),)),
    Kind("suspended", wishes=(Wish({"suspend": True}), Wish({"suspend": False})), epochs=2),
    Kind("cancelled", (CANCELLED, SUCCEEDED), wishes=(Wish({"cancelRunID": "1"}),)),
    # A user who changes the spec before the operator has seen the job gets one run only.
    Kind("superseded", wishes=(Wish(AGAIN),), runs=(1, 2), run_id="2", epochs=2),
    Kind("run-again", wishes=(Wish(AGAIN, once_ended=True),), runs=(2,), run_id="2", epochs=2),
    Kind("reference", spec={"staging": {"mode": "Reference"}}),
    Kind("validated", (VALIDATED,), spec={"run": VALIDATE}, epochs=0, publishes=False),
)
