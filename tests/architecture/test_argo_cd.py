"""The health check for Argo CD in the documentation agrees with the conditions that the operator writes.

The snippet is a list of rules of one form. The test reads them instead of running Lua.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import yaml

from fakes.build import NOW, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status, error_status
from imagejob_operator.decision.status_update import with_conditions

PAGE = Path(__file__).parents[2] / "docs" / "administrators" / "gitops.md"
KEY = "resource.customizations.health.imagejob.dev_ImageJob"
RULE = re.compile(
    r'if c\.type == "(\w+)" and c\.(status|reason) == "(\w+)" '
    r'then return \{status = "(\w+)", message = c\.message\} end'
)
HEALTH = {
    Phase.SUCCEEDED: "Healthy",
    Phase.FAILED: "Degraded",
    Phase.CANCELLED: "Degraded",
    Phase.SUSPENDED: "Suspended",
}


def snippet() -> str:
    (block,) = re.findall(r"```yaml\n(data:\n.*?)```", PAGE.read_text(), re.DOTALL)
    text: str = yaml.safe_load(block)["data"][KEY]
    return text


def health(written: Status) -> str:
    """What the rules of the snippet say, in the order of Lua: by condition, then by rule."""
    for condition in written.conditions:
        for kind, field, value, result in RULE.findall(snippet()):
            if condition.type == kind and getattr(condition, field) == value:
                return str(result)
    return "Progressing"


@pytest.mark.parametrize("phase", Phase)
def test_health_follows_from_the_conditions(phase: Phase) -> None:
    error = error_status(Failure(Code.LAUNCH, Reason.CONFIG_ERROR, "it failed"))
    failed = phase in (Phase.FAILED, Phase.CANCELLED)
    plain = msgspec.structs.replace(status(phase), phase=phase.value, error=error if failed else None)
    assert health(with_conditions(plain, Status(), NOW)) == HEALTH.get(phase, "Progressing")


def test_the_snippet_has_only_rules_of_the_form_that_is_tested() -> None:
    assert len(RULE.findall(snippet())) == snippet().count("return {") - 1 == 3


def test_conditions_of_an_earlier_generation_do_not_count() -> None:
    assert "if c.observedGeneration == obj.metadata.generation then" in snippet()


def is_closed(lua: str) -> bool:
    """Whether each block of the text has its end."""
    return len(re.findall(r"\b(do|then)\b", lua)) == len(re.findall(r"\bend\b", lua))


def test_the_blocks_of_the_snippet_are_closed() -> None:
    assert is_closed(snippet())


def test_a_block_that_is_not_closed_is_found() -> None:
    loop = next(line for line in snippet().splitlines() if line.endswith(" do"))
    assert not is_closed(f"{loop}\n{snippet()}")
