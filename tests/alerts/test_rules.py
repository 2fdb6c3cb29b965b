"""The shipped alerts, run by Prometheus' own tool: each fires when it should, and only then."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from alerts.shipped import (
    CASES,
    Rule,
    cases_of,
    check_queries,
    dashboard_queries,
    mutants,
    promtool,
    run_tests,
    severities,
    shipped_groups,
    shipped_rules,
)

pytestmark = pytest.mark.timeout(300)

RULES = shipped_rules()
MUTANTS = list(mutants(RULES))


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": shipped_groups()}))
    command = [promtool(), "check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


def test_prometheus_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    queries = dashboard_queries()
    done = check_queries(tmp_path, queries)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout
    broken = check_queries(tmp_path, [*queries, queries[0].removesuffix(")")])
    assert broken.returncode != 0


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_alert_fires_when_it_should_and_only_then(path: Path, tmp_path: Path) -> None:
    done = run_tests(tmp_path, RULES, [yaml.safe_load(path.read_text())])
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", RULES, ids=[f"{n}-{rule['alert']}" for n, rule in enumerate(RULES)])
def test_every_rule_is_seen_firing_and_silent(rule: Rule) -> None:
    cases: list[dict[str, Any]] = [
        case
        for document in cases_of(rule["alert"])
        for test in document["tests"]
        for case in test["alert_rule_test"]
        if case["alertname"] == rule["alert"]
    ]
    fired = [alert for case in cases for alert in case.get("exp_alerts", [])]
    assert {alert["exp_labels"]["severity"] for alert in fired} == severities(rule)
    assert any(not case.get("exp_alerts") for case in cases)


@pytest.mark.parametrize(("name", "wrong"), MUTANTS, ids=[name for name, _ in MUTANTS])
def test_a_rule_with_a_wrong_number_is_caught(name: str, wrong: list[Rule], tmp_path: Path) -> None:
    alert = name.split("-")[1]
    done = run_tests(tmp_path, [rule for rule in wrong if rule["alert"] == alert], cases_of(alert))
    assert done.returncode != 0, f"no test noticed: {name}"
    assert "got:[" in done.stdout + done.stderr, "promtool did not come as far as the tests"


def test_there_are_wrong_numbers_to_be_caught() -> None:
    assert len(MUTANTS) >= 40
