"""The table of servers says what each case came to."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3_servers.results import Cell, read, table

JUNIT = """<testsuites><testsuite>
<testcase classname="tests.contract.test_object_store" name="test_a_server[r2-a_copy]" />
<testcase classname="tests.contract.test_odd_keys" name="test_by_name[r2]"><failure /></testcase>
<testcase classname="tests.e2e.test_failure_matrix" name="test_case[store-r2-d2]"><error /></testcase>
<testcase classname="tests.e2e.test_delete" name="test_at_once"><skipped /></testcase>
</testsuite></testsuites>"""


def test_cases_are_named_without_their_server(tmp_path: Path) -> None:
    (tmp_path / "counts.xml").write_text(JUNIT)
    assert read(tmp_path / "counts.xml", "r2", "part") == [
        Cell("part: object store: a server [a_copy]", failed=False),
        Cell("part: odd keys: by name", failed=True),
        Cell("part: failure matrix: case [store-r2-d2]", failed=True),
        Cell("part: delete: at once", failed=True),
    ]


@pytest.mark.parametrize("junit", ["", "<testsuites><testsuite /></testsuites>"], ids=["no file", "no test"])
def test_a_part_without_tests_has_failed(tmp_path: Path, junit: str) -> None:
    if junit:
        (tmp_path / "counts.xml").write_text(junit)
    assert read(tmp_path / "counts.xml", "r2", "e2e") == [Cell("e2e: could not run", failed=True)]


def test_the_table_has_a_column_for_each_server() -> None:
    found = {"one": [Cell("a", failed=False), Cell("b", failed=True)], "two": [Cell("b", failed=False)]}
    assert [line.split() for line in table(found)] == [
        ["case", "one", "two"],
        ["a", "ok", "–"],
        ["b", "FAILED", "ok"],
        ["one:", "2", "cases,", "1", "failed"],
        ["two:", "1", "cases,", "0", "failed"],
    ]
