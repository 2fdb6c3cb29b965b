"""The runbook has an entry where every failure points, and its commands are commands."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import replace
from typing import Any

import pytest

from architecture.runbook import ROOT, RUNBOOK, Block, anchors, blocks, github_anchor, sections
from imagejob.remedies import REMEDIES, Fix
from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES, Code, Entry, Failure, Reason
from imagejob_operator.settings import PREFIX, read_settings
from unit.adapters.test_store_settings import ENVIRONMENT

TEXT = RUNBOOK.read_text()
BLOCKS = blocks(TEXT)
PAIRS = list(CATALOGUE.items())
PROGRAMS = {"kubectl", "aws", "export"}


def entry_of(text: str, code: Code, reason: Reason) -> str:
    """What the runbook says where a failure points; empty if that is nowhere."""
    return sections(text).get(Failure(code, reason, "").runbook.partition("#")[2], "")


def faults(text: str, code: Code, reason: Reason, entry: Entry) -> list[str]:
    """What is wrong with one entry."""
    body = entry_of(text, code, reason)
    if not body:
        return ["there is none"]
    found = []
    if len(body.split("```sh")[0].split()) < 10:
        found.append("it does not say what it means")
    if "```sh\nkubectl" not in body:
        found.append("it does not say how to see it")
    helps = re.search(r"^\*\*A new run helps:\*\* (.+)\.$", body, re.MULTILINE)
    ended = REMEDIES[code, reason].fix is Fix.NOTHING
    expected = "nothing has to be corrected first" if ended else "yes" if entry.retriable else "no"
    if not helps or helps[1] != expected:
        found.append("what it says of a new run is not what the catalogue says")
    return found


@pytest.mark.parametrize(("pair", "entry"), PAIRS, ids=[f"{c}-{r}" for (c, r), _ in PAIRS])
def test_every_code_and_reason_has_its_entry(pair: tuple[Code, Reason], entry: Entry) -> None:
    assert not faults(TEXT, *pair, entry)


def test_every_code_is_introduced_by_its_name() -> None:
    expected = {github_anchor(f"{code} {name}") for code, name in CODE_NAMES.items()}
    assert expected <= set(anchors(TEXT))


def test_no_entry_is_left_of_what_the_catalogue_does_not_hold() -> None:
    known = {Failure(*pair, "").runbook.partition("#")[2] for pair in CATALOGUE}
    known |= {github_anchor(f"{code} {name}") for code, name in CODE_NAMES.items()}
    assert {anchor for anchor in anchors(TEXT) if anchor.startswith("job_")} == known


def test_no_two_headings_have_one_anchor() -> None:
    found = anchors(TEXT)
    assert sorted(found) == sorted(set(found))


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        page, _, anchor = target.partition("#")
        other = (RUNBOOK.parent / page).read_text() if page else TEXT
        assert anchor in anchors(other), target


def test_settings_that_it_names_exist() -> None:
    read: set[str] = set()

    class Recording(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    read_settings(Recording(ENVIRONMENT))
    assert set(re.findall(rf"{PREFIX}[A-Z_]+", TEXT)) <= read


def test_fields_that_it_patches_and_names_are_in_the_schema() -> None:
    schema = (ROOT / "crds" / "imagejob.yaml").read_text()
    camel = set(re.findall(r"`(?:[a-z]+\.)*([a-z]+[A-Z][A-Za-z]+)`", TEXT))
    assert camel
    assert {name for name in camel if f"{name}:" not in schema} <= {"observedGeneration", "deletionTimestamp"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_commands_are_plain(block: Block) -> None:
    assert block.needs in ("", "waits for the operator", "needs the operator")
    for line in block.commands:
        assert shlex.split(line, comments=True)[0] in PROGRAMS, line
        done = subprocess.run(["bash", "-nc", line], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["NAMESPACE", "NAME", "OPERATOR", "ENDPOINT", "BUCKET", "INSTALLATION"])
def test_variables_are_set_before_they_are_used(name: str) -> None:
    lines = [line for block in BLOCKS for line in block.commands]
    first = next(line for line in lines if f"${name}" in line or f"{name}=" in line)
    assert f"{name}=" in first


# --- the checks can fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("### JOB_003 ImagePullFailed", "### JOB_003: Image pull failed", "there is none"),
        ("### JOB_003 ImagePullFailed", "### JOB_002 ImagePullFailed", "there is none"),
        ("The kubelet could not pull", "```sh\nkubectl get pods\n```\n", "it does not say what it means"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    assert old in TEXT
    pair = (Code.LAUNCH, Reason.IMAGE_PULL_FAILED)
    assert fault in faults(TEXT.replace(old, new), *pair, CATALOGUE[pair])


def test_a_wrong_word_on_retrying_is_found() -> None:
    pair = (Code.LAUNCH, Reason.IMAGE_PULL_FAILED)
    wrong = replace(CATALOGUE[pair], retriable=not CATALOGUE[pair].retriable)
    assert faults(TEXT, *pair, wrong) == ["what it says of a new run is not what the catalogue says"]


def test_anchors_are_those_of_github() -> None:
    assert github_anchor("JOB_003 ImagePullFailed") == "job_003-imagepullfailed"
    assert github_anchor("A job's end, after 30 minutes?") == "a-jobs-end-after-30-minutes"


def test_a_comment_in_a_block_is_no_heading() -> None:
    text = "# One\n\n```sh\n# waits for the operator\nkubectl version\n```\n\n## Two\n"
    assert anchors(text) == ["one", "two"]
    (block,) = blocks(text)
    assert (block.needs, block.commands) == ("waits for the operator", ("kubectl version",))
