"""The audit log: every write, its user, time and outcome."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from demo.stack import NAMESPACE, OPERATOR

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:{OPERATOR}"
WRITES = {"create", "update", "patch", "delete", "deletecollection"}
POD = "authentication.kubernetes.io/pod-name"
"""What a token that was made for a Pod says of it."""
ENDS = {"ResponseComplete", "Panic"}
"""Stages at which a request is over; it panics if its client has gone."""
CREATED, CLOSED_EARLY, FORBIDDEN, CONFLICT, FAILURE = 201, 200, 403, 409, 500


@dataclass(frozen=True)
class Write:
    """One completed write."""

    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    pod: str
    """The Pod that wrote, if its token says so."""
    received: datetime

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {self.namespace}/{self.name} {self.code}"


class Audit:
    """The log of one API server."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """The current end of the log."""
        return self._path.stat().st_size

    def writes(self, since: int, user: str = ACCOUNT, namespace: str = "") -> list[Write]:
        """The writes of an account (or all, if empty) since a mark, of one namespace or of all."""
        return self.read(since, user, namespace)[0]

    def uses(self, user: str = ACCOUNT) -> set[tuple[str, str, str]]:
        """What an account did and was allowed, as rules of RBAC: API group, resource, verb."""
        with self._path.open() as file:
            entries = [json.loads(line) for line in file if user in line and line.endswith("\n")]
        return {
            (what.get("apiGroup", ""), _resource(what), entry["verb"])
            for entry in entries
            if entry["user"]["username"] == user
            and (what := entry.get("objectRef"))
            and entry.get("responseStatus", {}).get("code") != FORBIDDEN
        }

    def read(self, since: int, user: str, namespace: str) -> tuple[list[Write], int]:
        """The same, and the position to continue from."""
        with self._path.open("rb") as file:
            file.seek(since)
            # Read once: iterating over a growing file can return a line that is being written in two halves.
            complete, newline, _ = file.read().rpartition(b"\n")
        entries = [json.loads(line) for line in complete.splitlines() if namespace.encode() in line]
        found = [
            _read(entry)
            for entry in entries
            if entry["stage"] in ENDS
            and user in ("", entry["user"]["username"])
            and entry["verb"] in WRITES
            and "dryRun=All" not in entry["requestURI"]
            and namespace in ("", entry.get("objectRef", {}).get("namespace"))
        ]
        return found, since + len(complete) + len(newline)


class Tail:
    """The operator's writes in one namespace from now on; each line is read once."""

    def __init__(self, audit: Audit, namespace: str) -> None:
        self._audit = audit
        self._namespace = namespace
        self._at = audit.mark()
        self.writes: list[Write] = []
        """All until it caught up last."""

    def catch_up(self) -> int:
        """Read further; returns the number of writes."""
        found, self._at = self._audit.read(self._at, ACCOUNT, self._namespace)
        self.writes += found
        return len(found)


def _read(entry: dict[str, Any]) -> Write:
    what = entry.get("objectRef", {})
    return Write(
        entry["verb"],
        _resource(what),
        what.get("namespace", ""),
        what.get("name", ""),
        entry["responseStatus"]["code"],
        next(iter(entry["user"].get("extra", {}).get(POD, [])), ""),
        datetime.fromisoformat(entry["requestReceivedTimestamp"]),
    )


def _resource(what: dict[str, Any]) -> str:
    return "/".join(filter(None, (what.get("resource"), what.get("subresource"))))


def pods_made(writes: list[Write]) -> list[str]:
    """The names of the Pods that were created, each as often as it was.

    One whose sender or whose etcd died may have been made and not be noted as that: a name that was answered
    with nothing better is taken for a Pod.
    """
    creates = [w for w in writes if (w.verb, w.resource) == ("create", "pods")]
    made = [w.name for w in creates if w.code == CREATED]
    unsure = {w.name for w in creates if w.code in (CLOSED_EARLY, CONFLICT) or w.code >= FAILURE}
    return [*made, *sorted(unsure - set(made))]
