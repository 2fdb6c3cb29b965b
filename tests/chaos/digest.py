"""The final state of a scenario, without times, for comparison."""

from __future__ import annotations

import re
from typing import Any, cast

import msgspec

from chaos.arena import Arena
from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT

TIMES = {
    "startedAt",
    "finishedAt",
    "phaseSince",
    "lastTransitionTime",
    "duration",
    "suspendedSeconds",
    "queuedSince",
    "queuedSeconds",
    "releasedAt",
    "writtenAt",
}
SPAN = re.compile(r"\b(\d+h)?(\d+m)?\d+s\b|\bpod [a-z0-9-]+")
"""Spans of time, and which of several Pods is taken for evidence."""

Digest = dict[str, Any]


def digest(arena: Arena) -> Digest:
    """The final state; each entry is compared separately."""
    job = arena.job
    objects = {
        f"{at}{key}": blob for at, store in arena.everywhere().items() for key, blob in store.objects.items()
    }
    staged = sorted(key for key in objects if f"{STAGING_ROOT}/" in key and not key.endswith("/clock.txt"))
    reported = sorted(key for key in objects if f"{REPORT_ROOT}/" in key)
    outputs = sorted(objects.keys() - {*staged, *reported, *(k for k in objects if k.endswith("/clock.txt"))})
    found: Digest = {
        "status": _status(job.raw_status) if job else "gone",
        "finalizers": [job.guarded, job.finalizer_count] if job else [],
        "outputs": {key: (objects[key].etag, repr(objects[key].headers)) for key in outputs},
        "reports": {key: _timeless(msgspec.json.decode(objects[key].data)) for key in reported},
        "orphans": staged,
        # Kubernetes collects the Pods of a job that is gone, also one that was made too late.
        "pods": sorted(
            # Names have a hash of the run, which depends on the time.
            (f"{a.run}-{a.epoch}-{a.shard}-{a.number}", a.state.value)
            for uid, a in arena.cluster.attempts()
            if job and uid == job.uid
        ),
        "events": sorted(
            (e.reason, e.warning, e.run) for (uid, _, _), e in arena.cluster.events.items() if uid
        ),
    }
    runs = [msgspec.json.decode(objects[key].data) for key in reported]
    named = {run["runUid"]: f"run {run['run']}" for run in runs if run.get("runUid")}
    if job and job.status.run and job.status.run.uid:
        named[job.status.run.uid] = f"run {job.status.run.number}"
    return cast("Digest", _with_names(found, named))


def _with_names(value: Any, named: dict[str, str]) -> Any:
    """The uids of runs, which depend on the time, as the numbers of the runs."""
    if isinstance(value, dict):
        return {_with_names(name, named): _with_names(inner, named) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_with_names(inner, named) for inner in value)
    if isinstance(value, str):
        for uid, name in named.items():
            value = value.replace(uid, name)
    return value


def _status(raw: dict[str, Any]) -> dict[str, Any]:
    conditions = {one["type"]: one for one in raw.get("conditions", [])}
    return {**_timeless(raw), "conditions": _timeless(conditions)}


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in sorted(value.items()) if name not in TIMES}
    if isinstance(value, list):
        return [_timeless(inner) for inner in value]
    return SPAN.sub("…", value) if isinstance(value, str) else value


def differences(wanted: Digest, got: Digest, some_outputs: bool = False) -> list[str]:
    """The differences to the run without faults, each with its place."""
    found: list[str] = []
    for name, value in wanted.items():
        if name == "outputs" and some_outputs and _part_of(got[name]):
            continue
        found += _differ(name, value, got[name])
    return found


def _differ(place: str, wanted: Any, got: Any) -> list[str]:
    if wanted == got:
        return []
    if isinstance(wanted, dict) and isinstance(got, dict):
        names = sorted({*wanted, *got})
        return [
            text for name in names for text in _differ(f"{place}/{name}", wanted.get(name), got.get(name))
        ]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        both = enumerate(zip(wanted, got, strict=True))
        return [text for at, (one, other) in both for text in _differ(f"{place}/{at}", one, other)]
    return [f"{place} is {_short(got)} instead of {_short(wanted)}"]


def _part_of(outputs: dict[str, Any]) -> bool:
    return all(key.startswith(("shop/uploads/", "shop/catalog/")) for key in outputs)


def _short(value: Any) -> str:
    return msgspec.json.encode(value).decode()[:300]


EVIDENCE = ("reason", "message", "runbook")


def without_evidence(of: Digest) -> Digest:
    """The state without reasons and messages, which may come from the fault; codes are kept."""
    found: Digest = _wordless(of)
    return {**found, "events": [(warning, run) for _, warning, run in of["events"]]}


def _wordless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _wordless(inner) for name, inner in value.items() if name not in EVIDENCE}
    return [_wordless(inner) for inner in value] if isinstance(value, list) else value


def without_conditions(of: Digest) -> Digest:
    """The state without short phases, which may have been skipped."""
    status = of["status"]
    if not isinstance(status, dict):
        return of
    return {**of, "status": {name: value for name, value in status.items() if name != "conditions"}}
