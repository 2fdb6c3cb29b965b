"""Every code and reason has a meaning and a remedy, and can be looked up."""

from __future__ import annotations

import re

import pytest

from imagejob.catalogue import (
    CODE_MEANINGS,
    ITEMS,
    explain,
    explain_failure,
    explain_wait,
    known_words,
)
from imagejob.remedies import REMEDIES, Fix
from imagejob_contract.result import ItemCode
from imagejob_operator.api.errors import CATALOGUE, Code, Reason


def test_every_code_reason_and_item_has_its_entry() -> None:
    assert REMEDIES.keys() == CATALOGUE.keys()
    assert set(CODE_MEANINGS) == set(Code)
    assert {(item.code, item.name) for item in ITEMS.values()} == {(c.value, c.name) for c in ItemCode}


def test_remedies_are_sentences_and_say_where_the_run_is_started_again() -> None:
    for pair, remedy in REMEDIES.items():
        assert re.fullmatch(r"[A-Z].{10,100}\.", remedy.text), pair
        says_retry = re.search(r"\bretry\b", remedy.text, re.IGNORECASE) is not None
        assert says_retry or remedy.fix in (Fix.SPEC, Fix.NOTHING) or pair[0] is Code.NOT_FOUND, pair
        assert not (says_retry and remedy.fix is Fix.SPEC), pair
        both = re.fullmatch(r".+[,;] then retry; or .+\.", remedy.text) is not None
        assert both == (remedy.fix is Fix.EITHER), pair


@pytest.mark.parametrize("pair", CATALOGUE, ids=lambda pair: "/".join(pair))
def test_what_a_new_run_does_agrees_with_the_remedy(pair: tuple[Code, Reason]) -> None:
    entry = explain_failure(*pair)
    assert entry
    text = {True: "a new run of the same spec may help", False: "a new run alone does not help"}
    ended = "nothing has to be corrected before a new run"
    expected = ended if pair[0] is Code.CANCELLED else text[CATALOGUE[pair].retriable]
    assert entry.new_run == expected
    assert entry.fix is REMEDIES[pair].fix


@pytest.mark.parametrize(
    ("word", "titles"),
    [
        ("JOB_008", ["JOB_008 JOB_CANCELLED", "JOB_008 Cancelled", "JOB_008 Superseded"]),
        ("job_002/sourcenotfound", ["JOB_002 SourceNotFound"]),
        ("JOB_002 SourceNotFound", ["JOB_002 SourceNotFound"]),
        ("StoreUnavailable", ["JOB_002 StoreUnavailable", "JOB_007 StoreUnavailable"]),
        ("IMG_003", ["IMG_003 UNSUPPORTED_FORMAT"]),
        ("unsupported_format", ["IMG_003 UNSUPPORTED_FORMAT"]),
        ("Validated", ["Validated"]),
        ("JOB_002/Crashed", []),
        ("JOB_999", []),
        ("", []),
    ],
)
def test_words_can_be_looked_up(word: str, titles: list[str]) -> None:
    assert [found.title for found in explain(word)] == titles


def test_every_known_word_is_explained() -> None:
    assert all(explain(word) for word in known_words())


@pytest.mark.parametrize(
    ("phase", "reason", "title"),
    [
        ("Pending", "StoreNotFound", "JOB_001 StoreNotFound"),
        ("Staging", "StoreUnavailable", "JOB_002 StoreUnavailable"),
        ("Publishing", "StoreUnavailable", "JOB_007 StoreUnavailable"),
        ("Running", "Unschedulable", "JOB_003 Unschedulable"),
        ("Running", "StoreUnreachable", "JOB_005 StoreUnreachable"),
        ("Running", "Progressing", None),
        ("Running", "Enchanted", None),
    ],
)
def test_what_a_run_waits_for(phase: str, reason: str, title: str | None) -> None:
    found = explain_wait(phase, reason)
    assert (found.title if found else None) == title
    assert found is None or "retry" not in found.remedy.replace("Retry when", "")


def test_a_reason_of_a_newer_operator_is_not_known() -> None:
    assert explain_failure("JOB_002", "Enchanted") is None
    assert explain_failure("JOB_099", "Crashed") is None
    found = explain_failure("JOB_002", "SourceNotFound")
    assert found
    assert (found.fault, found.retriable) == ("User", False)
