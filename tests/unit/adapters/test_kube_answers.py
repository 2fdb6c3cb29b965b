"""Answers of the API server in the words of the ports, and the patch that says only what is new."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.adapters.kubernetes.imagejobs import difference
from imagejob_operator.adapters.kubernetes.pods import refusal
from imagejob_operator.adapters.kubernetes.session import ApiError, translate
from imagejob_operator.api.errors import Reason
from imagejob_operator.ports.imagejobs import Conflict, Gone, Rejected, Unavailable


def answer(status: int, reason: str = "", message: str = "text", cause: str = "") -> ApiError:
    error = ApiError(status, reason, message, retry_after=3.0 if status == 429 else None)
    error.causes = (cause,) if cause else ()
    return error


@pytest.mark.parametrize(
    ("error", "json_patch", "wanted"),
    [
        (answer(409), False, Conflict),
        (answer(422), True, Conflict),
        (answer(422, cause="FieldValueInvalid"), True, Rejected),
        (answer(422), False, Rejected),
        (answer(404), False, Gone),
        (answer(403, cause="NamespaceTerminating"), False, Gone),
        (answer(403), False, Rejected),
        (answer(400), False, Rejected),
        (answer(401), False, Rejected),
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


@pytest.mark.parametrize(
    ("error", "reason", "certain"),
    [
        (answer(403, message='pods "x" is forbidden: exceeded quota: small'), Reason.QUOTA_EXCEEDED, False),
        (answer(403, message='pods "x" is forbidden: violates PodSecurity'), Reason.POD_REJECTED, True),
        (
            answer(403, message="unable to create new content", cause="NamespaceTerminating"),
            Reason.START_DEADLINE_EXCEEDED,
            False,
        ),
        (answer(403, message="error looking up service account shop/x"), Reason.CONFIG_ERROR, False),
        (answer(422, message="Pod is invalid"), Reason.POD_REJECTED, True),
        (answer(400, message="strict decoding error"), Reason.POD_REJECTED, True),
        (answer(404, message="namespaces not found"), Reason.CONFIG_ERROR, False),
        (answer(0), Reason.START_DEADLINE_EXCEEDED, False),
        (answer(429), Reason.START_DEADLINE_EXCEEDED, False),
        (answer(500), Reason.START_DEADLINE_EXCEEDED, False),
    ],
    ids=[
        "quota",
        "security",
        "namespace-goes",
        "account",
        "invalid",
        "misspelt",
        "no-namespace",
        "away",
        "busy",
        "broken",
    ],
)
def test_refusals_of_pods(error: ApiError, reason: Reason, certain: bool) -> None:
    problem = refusal(error)
    assert (problem.reason, problem.certain) == (reason, certain)
    assert error.message in problem.message


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
