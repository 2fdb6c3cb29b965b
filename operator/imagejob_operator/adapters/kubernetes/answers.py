"""What an answer of the API server means: the one place that decides whether it is transient.

An answer is a verdict on an object only if it judges the object. All others may change by waiting: no
answer, 401 and 403 (keys, RBAC and admission plugins are loaded after a restart), 409, 429, 5xx, and the
answers of proxies.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from imagejob_operator.api.errors import Reason, bounded
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.ports.imagejobs import (
    Conflict,
    Forbidden,
    Gone,
    InvalidObject,
    JobsError,
    Rejected,
    Unavailable,
)

CONTENT = (400, 413, 422)
"""Statuses that judge the content of a request."""
JUDGED = (
    "denied the request",
    "denied request",
    "violates PodSecurity",
    " usage per ",
    " ratio per ",
    "failed quota",
    "PriorityClass",
    "pod rejected",
)
"""Parts of the messages with which admission forbids (403) an object that it has judged: webhooks, policies,
Pod Security, LimitRange, a quota that wants limits, unknown PriorityClass, unknown RuntimeClass."""


class ApiError(Exception):
    """The API server refused a request; status 0 is no answer of an API server."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes: tuple[str, ...] = ()
        self.kind = ""
        """The kind that the error is about, such as `imagejobs`, if the API server names it."""


@contextmanager
def translated(json_patch: bool = False) -> Iterator[None]:
    """Raise an ApiError as the port's error."""
    try:
        yield
    except ApiError as error:
        raise translate(error, json_patch) from error


def translate(error: ApiError, json_patch: bool = False) -> JobsError:
    """The port's error for an error of the API server."""
    if error.status == 409 or (json_patch and error.status == 422 and not error.causes):
        # 422 on a JSON patch without a cause: its test of the resource version failed.
        return Conflict(error.message)
    if error.status == 404 and error.kind:
        # Without a kind the resource itself is not served: a CRD is loaded after a restart.
        return Gone(error.message)
    if error.status == 422 and any(cause.startswith("FieldValue") for cause in error.causes):
        return InvalidObject(error.message)
    if _judges(error):
        return Rejected(error.message)
    transient = Forbidden if error.status == 403 else Unavailable
    return transient(error.message, error.retry_after)


def refusal(error: ApiError) -> Problem:
    """Why the API server refused to create a Pod or its Secret, and whether that is a verdict."""
    text, forbidden = bounded(error.message, 500), error.status == 403
    if forbidden and "NamespaceTerminating" in error.causes:
        return Problem(Reason.START_DEADLINE_EXCEEDED, f"the namespace is being deleted: {text}")
    if forbidden and "exceeded quota" in error.message:
        return Problem(Reason.QUOTA_EXCEEDED, text)
    if forbidden and "error looking up service account" in error.message:
        return Problem(Reason.CONFIG_ERROR, text)
    if error.status == 404 and error.kind:
        return Problem(Reason.CONFIG_ERROR, text)
    if _judges(error):
        return Problem(Reason.POD_REJECTED, text, certain=True)
    return Problem(Reason.START_DEADLINE_EXCEEDED, f"the Pod cannot be created: {text}")


def _judges(error: ApiError) -> bool:
    """Whether the answer is a verdict on what was sent."""
    if error.status == 403:
        return any(part in error.message for part in JUDGED)
    return error.status in CONTENT


def already_deleted(error: ApiError) -> bool:
    """Whether the answer to a delete with a uid says that this object does not exist any more."""
    return (error.status == 404 and bool(error.kind)) or (error.status == 409 and "UID in" in error.message)
