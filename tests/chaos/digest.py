"""What two worlds are compared by: all that stays of a scenario, without its times."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chaos.arena import Arena
from imagejob_operator.core.api import REPORT_ROOT, STAGING_ROOT

TIMES = {
    "startedAt",
    "finishedAt",
    "phaseSince",
    "lastTransitionTime",
    "duration",
    "suspendedSeconds",
    "writtenAt",
}
SPAN = re.compile(r"\b(\d+h)?(\d+m)?\d+s\b|\bpod [a-z0-9-]+")
"""Spans of time, and which of several Pods is taken for evidence."""

Digest = dict[str, Any]


def digest(arena: Arena) -> Digest:
    """All that stays: each entry is compared by itself."""
    job = arena.job
    objects = arena.store.objects
    staged = [key for key in arena.store.keys(f"{STAGING_ROOT}/") if not key.endswith("/owner.json")]
    reports = {
        key: _timeless(msgspec.json.decode(objects[key].data)) for key in arena.store.keys(f"{REPORT_ROOT}/")
    }
    return {
        "status": _timeless(job.raw_status) if job else "gone",
        "finalizers": list(job.finalizers) if job else [],
        "outputs": {
            key: (objects[key].etag, repr(objects[key].headers)) for key in arena.store.keys("shop/")
        },
        "reports": reports,
        "orphans": staged,
        "pods": sorted((a.name, a.state.value) for _, a in arena.cluster.attempts()),
        "events": sorted(
            (e.reason, e.warning, e.run) for (uid, _, _), e in arena.cluster.events.items() if uid
        ),
    }


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in sorted(value.items()) if name not in TIMES}
    if isinstance(value, list):
        return [_timeless(inner) for inner in value]
    return SPAN.sub("…", value) if isinstance(value, str) else value


def differences(wanted: Digest, got: Digest, some_outputs: bool = False) -> list[str]:
    """What is not as in the undisturbed world."""
    found: list[str] = []
    for name, value in wanted.items():
        if got[name] == value:
            continue
        if name == "outputs" and some_outputs and _part_of(got[name]):
            continue
        found.append(f"{name}: {_short(got[name])} instead of {_short(value)}")
    return found


def _part_of(outputs: dict[str, Any]) -> bool:
    return all(key.startswith(("shop/uploads/", "shop/catalog/")) for key in outputs)


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:600]


def without_conditions(of: Digest) -> Digest:
    """The same, where a phase of a moment may have been passed over."""
    status = of["status"]
    if not isinstance(status, dict):
        return of
    return {**of, "status": {name: value for name, value in status.items() if name != "conditions"}}
