"""The checks of a finished job, independent of when the operator was killed.

Pure functions, so that they can be tested themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from e2e.killing.kinds import GONE, Kind
from e2e.world import Job, verdict


@dataclass(frozen=True)
class Seen:
    """The final state of one job."""

    name: str
    job: Job | None
    """None if it is gone."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """The hash of each, by its key below the job's prefix."""
    report: Mapping[str, Any] = field(default_factory=dict)
    events: Sequence[str] = ()
    """The reasons of its Events, each as often as it was recorded."""
    pods: Sequence[str] = ()
    """The names of all Pods of the namespace that the operator created, each as often as it did."""


def objections(kind: Kind, seen: Seen, wanted: Mapping[str, str]) -> list[str]:
    """All violations; `wanted` are the outputs of an undisturbed run."""
    if seen.job is None:
        found = [] if GONE in kind.ends else ["it is gone"]
        return [*found, *_strange(seen, wanted)]
    end = verdict(seen.job)
    run = seen.job["status"]["run"]
    found = [] if end in kind.ends else [f"it ended as {end}"]
    if run["number"] not in kind.runs or run["id"] != kind.run_id:
        found.append(f"it ended after run {run['number']} of id {run['id']}")
    if seen.job["metadata"].get("finalizers"):
        found.append("it still has a finalizer")
    staged = any(c["type"] == "StagingCleaned" for c in seen.job["status"].get("conditions", []))
    if staged and not seen.report:
        found.append("it has no report, though something was staged")
    if end[0] == "Succeeded":
        found += _success(kind, seen, wanted)
    elif seen.outputs and kind.runs == (1,):
        found.append(f"it has the outputs {sorted(seen.outputs)}")
    repeated = [reason for reason, times in Counter(seen.events).items() if times > run["number"]]
    return found + [f"it recorded {reason} more than once a run" for reason in repeated]


def _success(kind: Kind, seen: Seen, wanted: Mapping[str, str]) -> list[str]:
    expected = dict(wanted) if kind.publishes else {}
    found = [] if seen.outputs == expected else [f"it has the outputs {dict(seen.outputs)}"]
    reported = sorted(
        output["key"].rpartition("/")[2]
        for item in seen.report.get("items", [])
        for output in item.get("outputs", [])
    )
    if reported != sorted(key.rpartition("/")[2] for key in expected):
        found.append(f"its report has the outputs {reported}")
    return found


def _strange(seen: Seen, wanted: Mapping[str, str]) -> list[str]:
    """Outputs that no run could have made: one that is deleted in the midst of publishing has some."""
    strange = sorted(key for key, tag in seen.outputs.items() if wanted.get(key) != tag)
    return [f"it has the outputs {strange}"] if strange else []


def doubled(kind: Kind, seen: Seen) -> list[str]:
    """Launches that should not have been: nothing disturbs the Pods, so each shard needs one an epoch."""
    shards: dict[str, list[str]] = {}
    for pod in seen.pods:
        if found := re.fullmatch(rf"{seen.name}-([0-9a-f]{{10}}-\d+)-\d+", pod):
            shards.setdefault(found[1], []).append(pod)
    twice = [f"{pods} for one shard" for pods in shards.values() if len(pods) > 1]
    epochs = {shard.partition("-")[0] for shard in shards}
    if len(epochs) > kind.epochs:
        twice.append(f"Pods of {len(epochs)} epochs: {sorted(epochs)}")
    return twice
