"""What can go wrong between a client and the cluster, as exceptions.

The message of each names the object or field, the cause, and what to do.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A command that a message suggests, as the text that the message has."""

    words: tuple[str, ...]
    namespace: str = ""
    """Where it works; empty for that of the command which failed."""
    program: str = "imagejob"
    """Or `kubectl`."""

    def __str__(self) -> str:
        where = ("-n", self.namespace) if self.namespace else ()
        return shlex.join([self.program, *self.words, *where])


class ImageJobError(Exception):
    """Base of all errors of this package.

    `suggestion` is the command in the message, if there is one: the command line writes it with the options
    that lead to the same cluster.
    """

    suggestion: Suggestion | None = None

    def suggesting(self, suggestion: Suggestion) -> Self:
        """The same error, whose message has this command."""
        self.suggestion = suggestion
        return self


class NotFound(ImageJobError):
    """The ImageJob does not exist: JOB_004/JobNotFound."""


class Unreachable(ImageJobError):
    """There is no valid kubeconfig, or the API server does not answer or rejects the credentials."""


class NotInstalled(ImageJobError):
    """The API server has no ImageJobs: their CRD is not installed."""


class Forbidden(ImageJobError):
    """The request is not allowed. `verb` is what RBAC does not grant; empty if another rule denied it."""

    def __init__(self, message: str, verb: str = "") -> None:
        super().__init__(message)
        self.verb = verb


class Invalid(ImageJobError):
    """A manifest or an argument is invalid; `fields` are the paths of the fields that are wrong."""

    def __init__(self, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class Conflict(ImageJobError):
    """The ImageJob exists already, or its state does not allow the change."""


class StoreFailed(ImageJobError):
    """An object store does not answer, refuses a request, or there are no credentials for it."""


class FileFailed(ImageJobError):
    """A file on this machine cannot be written, for example because its disk is full."""


class WaitTimeout(ImageJobError):
    """The run has not finished in the time allowed."""


class RunFailed(ImageJobError):
    """The run has failed or was cancelled; the message has code, reason and evidence."""


class Rejected(ImageJobError):
    """The API server rejected a request for another reason; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def refusal(status: int, answer: bytes, what: str) -> ImageJobError:
    """The error of an HTTP response; `what` names the object of the request, such as `ImageJob 'a'`."""
    body = _status_object(answer)
    if body is None:
        return _without_status(status, answer, what)
    message = str(body.get("message") or f"HTTP {status}")
    if status == 404:
        return _not_found(body, message, what)
    if status == 401:
        return Unreachable(
            f"the API server rejects the credentials: {message}; log in again, or use --context"
        )
    if status == 403:
        return _forbidden(message)
    if status == 409:
        return Conflict(f"{what}: {message}")
    if status in (400, 422):
        causes = [
            c for c in (body.get("details") or {}).get("causes") or [] if c.get("field") != _NOT_CHECKED
        ]
        fields = dict.fromkeys(str(cause["field"]) for cause in causes if cause.get("field"))
        return Invalid(_invalid(message, causes, what), tuple(fields))
    return Rejected(status, f"the API server rejected the request for {what}: {message} (HTTP {status})")


def _status_object(answer: bytes) -> dict[str, Any] | None:
    try:
        body = json.loads(answer)
    except ValueError:
        return None
    return body if isinstance(body, dict) and body.get("kind") == "Status" else None


def _without_status(status: int, answer: bytes, what: str) -> ImageJobError:
    if status == 404:
        return NotInstalled(
            "the API server does not serve ImageJobs (imagejob.dev/v1alpha1): install the CRDs and the "
            "operator, or choose another cluster with --context"
        )
    text = answer[:200].decode(errors="replace").strip()
    return Rejected(status, f"no answer of an API server to the request for {what}: HTTP {status} {text}")


def _not_found(body: dict[str, Any], message: str, what: str) -> ImageJobError:
    kind = (body.get("details") or {}).get("kind")
    if kind == "namespaces":
        return Invalid(
            f"{message}; create the namespace, or choose another one with -n", ("metadata.namespace",)
        )
    if kind in (None, "imagejobs"):
        jobs = Suggestion(("list",))
        missing = f"JOB_004 JobNotFound: {what} does not exist; list the existing ones with: {jobs}"
        return NotFound(missing).suggesting(jobs)
    return Rejected(404, message)


_NOT_CHECKED = "<nil>"
"""Field of a cause that only says that rules were not checked because of the other causes."""

_RBAC = re.compile(r'User "([^"]+)" cannot (\w+) resource "([^"]+)"')


def _forbidden(message: str) -> Forbidden:
    found = _RBAC.search(message)
    if not found:
        return Forbidden(f"the API server does not allow this: {message}")
    user, verb, resource = found.groups()
    namespace = re.search(r'in the namespace "([^"]+)"', message)
    where = f"in namespace {namespace[1]!r}" if namespace else "in all namespaces"
    return Forbidden(
        f"user {user!r} may not {verb} {resource} {where}: ask an administrator for the verb {verb!r}"
        + _role(verb, resource),
        verb,
    )


def _role(verb: str, resource: str) -> str:
    """The role that has a verb, for resources of which that is certain."""
    if resource.startswith(("imagejobs", "imagestores")):
        role = "imagejob-view" if verb in ("get", "list", "watch") else "imagejob-edit"
    elif resource in ("pods", "pods/log"):
        role = "view"
    else:
        return ""
    return f", which is in the ClusterRole {role!r}"


def _invalid(message: str, causes: list[dict[str, Any]], what: str) -> str:
    if not causes:
        return f"{what}: {message}"
    lines = [f"{cause.get('field') or 'manifest'}: {cause.get('message', '')}" for cause in causes]
    return f"{what} is invalid: " + "; ".join(dict.fromkeys(lines))
