"""What the CRD refuses the core refuses too, and what the CRD accepts the core accepts.

The API server is asked the same in the cluster tests; here the same table is put to `parse_spec`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.crd_cases import ABSENT, SPEC, Case, changed
from imagejob_operator.api.spec import InvalidSpec, parse_spec

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
CASES = [case for case in SPEC if case.path.startswith("spec.")]


def refusal(body: dict[str, Any]) -> str:
    """What the core says of a spec; empty if it accepts it."""
    try:
        parse_spec(body["spec"])
    except InvalidSpec as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_core_agrees_with_the_crd(case: Case) -> None:
    field = case.at.split(".")[-1].split("[")[0]
    for value in case.refused:
        message = refusal(changed(case.base, (case.path, value)))
        assert message, f"{value!r:.80} is accepted by the core"
        assert value is ABSENT or field in message, f"{message!r} does not name {field}"
    for value in case.accepted:
        message = refusal(changed(case.base, (case.path, value)))
        assert not message, f"{value!r:.80}: {message}"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_accepted(path: Path) -> None:
    jobs = [body for body in yaml.safe_load_all(path.read_text()) if body["kind"] == "ImageJob"]
    assert jobs
    for body in jobs:
        assert refusal(body) == ""
