"""Answers of the API server in the words of the ports, and the patch that says only what is new."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.adapters.kubernetes.answers import ApiError, already_deleted, refusal, translate
from imagejob_operator.adapters.kubernetes.imagejobs import difference
from imagejob_operator.api.errors import Reason
from imagejob_operator.ports.imagejobs import Conflict, Forbidden, Gone, InvalidObject, Rejected, Unavailable


def answer(status: int, reason: str = "", message: str = "text", cause: str = "", kind: str = "") -> ApiError:
    error = ApiError(status, reason, message, retry_after=3.0 if status == 429 else None)
    error.causes = (cause,) if cause else ()
    error.kind = kind
    return error


@pytest.mark.parametrize(
    ("error", "json_patch", "wanted"),
    [
        (answer(409), False, Conflict),
        (answer(422), True, Conflict),
        (answer(422, cause="FieldValueInvalid"), True, InvalidObject),
        (answer(422, cause="FieldValueInvalid"), False, InvalidObject),
        (answer(422, cause="a policy"), True, Rejected),
        (answer(422), False, Rejected),
        (answer(404, kind="imagejobs"), False, Gone),
        (answer(404), False, Unavailable),
        (answer(403, cause="NamespaceTerminating"), False, Forbidden),
        (answer(403), False, Forbidden),
        (answer(403, message="ValidatingAdmissionPolicy 'x' denied request: no"), False, Rejected),
        (answer(400), False, Rejected),
        (answer(413), False, Rejected),
        (answer(401), False, Unavailable),
        (answer(405), False, Unavailable),
        (answer(408), False, Unavailable),
        (answer(0), False, Unavailable),
        (answer(429), False, Unavailable),
        (answer(500), False, Unavailable),
        (answer(503), False, Unavailable),
    ],
    ids=lambda value: f"{value.status}{value.causes}" if isinstance(value, ApiError) else str(value),
)
def test_answers_about_jobs(error: ApiError, json_patch: bool, wanted: type[Exception]) -> None:
    assert type(translate(error, json_patch)) is wanted


def test_the_server_s_own_pause_is_kept() -> None:
    error = translate(answer(429))
    assert isinstance(error, Unavailable)
    assert error.retry_after == 3.0


def forbidden(why: str) -> ApiError:
    return answer(403, "Forbidden", f'pods "x" is forbidden: {why}')


@pytest.mark.parametrize(
    ("error", "reason", "certain"),
    [
        (forbidden("exceeded quota: small"), Reason.QUOTA_EXCEEDED, False),
        (forbidden("failed quota: small: must specify limits.cpu"), Reason.POD_REJECTED, True),
        (forbidden("status unknown for quota: small"), Reason.START_DEADLINE_EXCEEDED, False),
        (forbidden('violates PodSecurity "restricted:latest"'), Reason.POD_REJECTED, True),
        (
            forbidden("maximum memory usage per Container is 16Mi, but limit is 256Mi"),
            Reason.POD_REJECTED,
            True,
        ),
        (forbidden("no PriorityClass with name high was found"), Reason.POD_REJECTED, True),
        (forbidden('pod rejected: RuntimeClass "kata" not found'), Reason.POD_REJECTED, True),
        (forbidden("not yet ready to handle request"), Reason.START_DEADLINE_EXCEEDED, False),
        (
            answer(403, "", 'admission webhook "x.example.com" denied the request: no'),
            Reason.POD_REJECTED,
            True,
        ),
        (
            answer(500, "", 'admission webhook "x.example.com" denied the request: broken'),
            Reason.START_DEADLINE_EXCEEDED,
            False,
        ),
        (
            answer(500, "", 'failed calling webhook "x.example.com"'),
            Reason.START_DEADLINE_EXCEEDED,
            False,
        ),
        (
            answer(422, "Invalid", "ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no"),
            Reason.POD_REJECTED,
            True,
        ),
        (
            answer(403, message="unable to create new content", cause="NamespaceTerminating"),
            Reason.START_DEADLINE_EXCEEDED,
            False,
        ),
        (answer(403, message="error looking up service account shop/x"), Reason.CONFIG_ERROR, False),
        (answer(422, message="Pod is invalid"), Reason.POD_REJECTED, True),
        (answer(400, message="strict decoding error"), Reason.POD_REJECTED, True),
        (answer(404, message="namespaces not found", kind="namespaces"), Reason.CONFIG_ERROR, False),
        (answer(404, message="404 page not found"), Reason.START_DEADLINE_EXCEEDED, False),
        (answer(401, message="Unauthorized"), Reason.START_DEADLINE_EXCEEDED, False),
        (
            answer(409, "Conflict", "Operation cannot be fulfilled on resourcequotas"),
            Reason.START_DEADLINE_EXCEEDED,
            False,
        ),
        (answer(0), Reason.START_DEADLINE_EXCEEDED, False),
        (answer(429), Reason.START_DEADLINE_EXCEEDED, False),
        (answer(500), Reason.START_DEADLINE_EXCEEDED, False),
    ],
    ids=lambda value: f"{value.status}-{value.message[-24:]}" if isinstance(value, ApiError) else str(value),
)
def test_refusals_of_pods(error: ApiError, reason: Reason, certain: bool) -> None:
    problem = refusal(error)
    assert (problem.reason, problem.certain) == (reason, certain)
    assert error.message in problem.message


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (answer(404, kind="pods"), True),
        (answer(404), False),
        (answer(409, message="the UID in the precondition (a) does not match the UID in record (b)"), True),
        (answer(409, message="Precondition failed: UID in precondition: a, UID in object meta: b"), True),
        (answer(409, message="Operation cannot be fulfilled on pods"), False),
        (answer(403), False),
    ],
)
def test_what_a_refused_delete_of_a_pod_means(error: ApiError, wanted: bool) -> None:
    assert already_deleted(error) is wanted


leaves = st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
trees = st.recursive(
    st.dictionaries(st.sampled_from("abc"), leaves, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner | leaves, max_size=3),
    max_leaves=8,
)


def merged(old: Any, patch: Any) -> Any:
    """RFC 7396, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


@given(trees, trees)
def test_a_difference_makes_the_new_of_the_old(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merged(old, difference(old, new)) == new


@given(trees)
def test_nothing_new_is_an_empty_patch(tree: dict[str, Any]) -> None:
    assert difference(tree, tree) == {}
