"""Any answer of an API server, to any call of the operator, at any step of a job's life."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from fakes.world import World
from imagejob_operator.adapters.kubernetes.answers import (
    ApiError,
    already_deleted,
    refusal,
    translate,
)
from imagejob_operator.ports.launcher import Refused

CREATES = ("launch", "deliver", "rehearse")
PATCHES = ("add_finalizer", "remove_finalizer")
CALLS = (*CREATES, *PATCHES, "write_status", "namespace", "whole", "announce", "stop", "delete")
"""All calls of the operator to the API server, by their names in the fake."""

REASONS = (
    *("", "Unauthorized", "Forbidden", "NotFound", "Conflict", "Gone", "Invalid", "ServerTimeout", "Timeout"),
    *("TooManyRequests", "BadRequest", "InternalError", "ServiceUnavailable", "MethodNotAllowed", "Expired"),
)
JUDGMENTS = (
    'pods "a" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
    'admission webhook "a.example.com" denied the request: no',
    "ValidatingAdmissionPolicy 'a' with binding 'a' denied request: no",
)
"""Messages of admission plugins that have judged an object."""
QUOTA = 'pods "a" is forbidden: exceeded quota: all, requested: pods=1, used: pods=0, limited: pods=0'
ACCOUNT = "error looking up service account a/b"
MESSAGES = (
    *(*JUDGMENTS, QUOTA, ACCOUNT),
    "",
    "Unauthorized",
    'pods is forbidden: User "operator" cannot create resource "pods" in API group "" in the namespace "a"',
    'pods "a" is forbidden: not yet ready to handle request',
    'Operation cannot be fulfilled on resourcequotas "all": the object has been modified',
    'failed calling webhook "a.example.com": context deadline exceeded',
    "etcdserver: leader changed",
    "the server could not find the requested resource",
    "404 page not found\n<html>",
)
CAUSES = ("NamespaceTerminating", "FieldValueInvalid", "UnexpectedServerResponse", "")
STATUSES = (0, 400, 401, 403, 404, 405, 408, 409, 410, 413, 415, 422, 425, 429, 500, 502, 503, 504, 599)
FOR_EVER = -1


@dataclass(frozen=True)
class Fault:
    """From its `after`th time on, a call is answered so, some times or forever."""

    call: str
    answer: ApiError
    after: int
    times: int

    def __repr__(self) -> str:
        answer = self.answer
        text = f"{answer.status} {answer.reason!r} {answer.message!r} {answer.causes} {answer.retry_after}"
        return f"{self.call} after {self.after}, {self.times} times: {text}"

    @property
    def judges(self) -> bool:
        """Whether the answer judges the object. This repeats no rule of the operator's."""
        forbidden = self.answer.status == 403 and self.answer.message in JUDGMENTS
        leaving = "NamespaceTerminating" in self.answer.causes
        return self.answer.status in (400, 413, 422) or (forbidden and not leaving)

    def error(self) -> Exception | None:
        """What the adapter makes of the answer; None if it takes it for a success."""
        if self.call in CREATES:
            return Refused(refusal(self.answer), self.answer.retry_after)
        if self.call == "stop" and already_deleted(self.answer):
            return None
        if self.call == "whole" and self.answer.status == 409:
            return None  # a GET has no conflicts
        return translate(self.answer, json_patch=self.call in PATCHES)

    def install(self, world: World) -> None:
        """Have the world answer so."""
        error, seen = self.error(), 0

        async def answer(operation: str, about: str, done: bool) -> None:
            nonlocal seen
            if operation != self.call or done or error is None:
                return
            seen += 1
            if seen > self.after and (self.times == FOR_EVER or seen <= self.after + self.times):
                raise error

        world.cluster.hooks.install(answer)


@st.composite
def answers(draw: st.DrawFn) -> ApiError:
    """An answer that is no success, and that is not honest about a missing object."""
    status = draw(st.one_of(st.sampled_from(STATUSES), st.integers(400, 599)))
    pause = draw(st.one_of(st.none(), st.integers(0, 10).map(float)))  # the session reads whole seconds only
    error = ApiError(status, draw(st.sampled_from(REASONS)), draw(st.sampled_from(MESSAGES)), pause)
    error.causes = tuple(draw(st.lists(st.sampled_from(CAUSES), max_size=2)))
    return error


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """A fault of one call."""
    times = draw(st.one_of(st.just(FOR_EVER), st.integers(1, 3)))
    return Fault(draw(st.sampled_from(CALLS)), draw(answers()), draw(st.integers(0, 3)), times)
