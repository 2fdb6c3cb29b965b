"""An API server with ImageJobs for clients, in memory."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagejob.errors import ImageJobError, refusal
from imagejob.transport import NO_PARAMS, Params

Body = dict[str, Any]


def job(name: str = "a", phase: str = "", generation: int = 1, **status: Any) -> Body:
    """An ImageJob in a phase; `status` has more members of its status."""
    ended = phase in ("Succeeded", "Failed", "Cancelled")
    success = {"Succeeded": "True", "Failed": "False", "Cancelled": "False"}.get(phase, "Unknown")
    body: Body = {
        "apiVersion": "imagejob.dev/v1alpha1",
        "kind": "ImageJob",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "generation": generation,
            "resourceVersion": "7",
            "creationTimestamp": "2026-03-01T10:00:00Z",
        },
        "spec": {"run": {"id": "1"}},
    }
    if phase:
        made = [condition("Finished", str(ended)), condition("Succeeded", success)]
        made += status.pop("conditions", [])
        known = {"id": "1", "number": 1, **status.pop("run", {})}
        body["status"] = {"observedGeneration": 1, "phase": phase, "run": known, "conditions": made, **status}
    return body


def condition(kind: str, status: str = "True", at: str = "2026-03-01T10:00:00Z", **more: str) -> Body:
    """A condition of a status."""
    times = {"lastTransitionTime": at, "observedGeneration": 1}
    return {"type": kind, "status": status, "reason": kind, "message": "", **times, **more}


def error(code: str, reason: str, message: str, retriable: bool = False) -> Body:
    """The error of a run that failed."""
    link = f"https://imagejob.dev/docs/administrators/runbook#{code}-{reason}".lower()
    return {
        "code": code,
        "reason": reason,
        "message": message,
        "fault": "User",
        "retriable": retriable,
        "runbook": link,
    }


@dataclass
class FakeTransport:
    """Holds ImageJobs, and answers of other paths; records each request that changes something."""

    jobs: dict[tuple[str, str], Body] = field(default_factory=dict)
    answers: dict[str, Body | ImageJobError] = field(default_factory=dict)
    """By path: objects that are no ImageJobs, or errors of any path."""
    logs: dict[str, list[str]] = field(default_factory=dict)
    """By the name of a Pod."""
    events: list[Body] = field(default_factory=list)
    """Versions of a job that a watch shows, each once; a body of None deletes it."""
    changes: list[tuple[str, str, Params, Any]] = field(default_factory=list)

    def add(self, *bodies: Body) -> None:
        """Store ImageJobs."""
        for body in bodies:
            self.jobs[body["metadata"]["namespace"], body["metadata"]["name"]] = body

    def request(
        self, method: str, path: str, what: str, params: Params = NO_PARAMS, body: object = None
    ) -> Body:
        """Answer a request."""
        if method != "GET":
            self.changes.append((method, path, dict(params), body))
        answer = self.answers.get(f"{method} {path}", self.answers.get(path))
        if isinstance(answer, ImageJobError):
            raise answer
        if answer is not None:
            return answer
        namespace, name = _place(path)
        if method == "POST":
            assert isinstance(body, dict)
            return self._create(namespace, body, what, params)
        if not name:
            return self._list(namespace, params)
        found = self.jobs.get((namespace, name))
        if found is None:
            raise refusal(404, _status(404, "NotFound", f'imagejobs.imagejob.dev "{name}" not found'), what)
        if method == "DELETE":
            return self.jobs.pop((namespace, name))
        if method == "PATCH":
            changed: Body = _merged(found, body)
            if "dryRun" not in params:
                self.jobs[namespace, name] = changed
            return changed
        return found

    def lines(self, path: str, what: str, params: Params, seconds: float) -> Generator[str, None, None]:
        """The events of a watch, or a log."""
        if path.endswith("/log"):
            yield from self.logs[path.split("/")[-2]]
            return
        while self.events:
            body = self.events.pop(0)
            deleted = not body.get("kind")
            if deleted:
                self.jobs.clear()
            else:
                self.add(body)
            yield json.dumps({"type": "DELETED" if deleted else "MODIFIED", "object": body})

    def _create(self, namespace: str, body: Body, what: str, params: Params) -> Body:
        metadata = body["metadata"]
        name = metadata.get("name") or f"{metadata['generateName']}x7k2p"
        if (namespace, name) in self.jobs:
            raise refusal(409, _status(409, "AlreadyExists", f'"{name}" already exists'), what)
        made = {**body, "metadata": {**metadata, "name": name, "generation": 1, "resourceVersion": "1"}}
        if "dryRun" not in params:
            self.add(made)
        return made

    def _list(self, namespace: str, params: Params) -> Body:
        found = [body for (where, _), body in self.jobs.items() if namespace in ("", where)]
        if selector := params.get("fieldSelector"):
            phase = selector.partition("=")[2]
            found = [body for body in found if body.get("status", {}).get("phase") == phase]
        start = int(params.get("continue", "0"))
        end = start + int(params["limit"])
        more = {"continue": str(end)} if end < len(found) else {}
        return {"apiVersion": "imagejob.dev/v1alpha1", "metadata": more, "items": found[start:end]}


def _place(path: str) -> tuple[str, str]:
    parts = path.strip("/").split("/")
    namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts else ""
    return namespace, "" if parts[-1] == "imagejobs" else parts[-1]


def _merged(live: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    kept = dict(live) if isinstance(live, Mapping) else {}
    kept |= {name: _merged(kept.get(name), value) for name, value in patch.items()}
    return {name: value for name, value in kept.items() if value is not None}


def _status(code: int, reason: str, message: str) -> bytes:
    return json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()
