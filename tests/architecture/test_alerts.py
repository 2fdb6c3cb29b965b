"""The alerts name what exists: metrics, entries of the runbook, the Service that is scraped."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from alerts.shipped import severities
from architecture.runbook import ROOT, RUNBOOK, anchors
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import CATALOGUE, Code, Failure
from imagejob_operator.api.errors import RUNBOOK as BASE
from imagejob_operator.api.imagejob import ImageJob, parse_job
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.status import RunStatus, Status, status_body
from imagejob_operator.garbage.schedule import StoreSweeps

MONITORING = ROOT / "manifests" / "monitoring"
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((MONITORING / "rules.yaml").read_text())["spec"]["groups"]
    for rule in group["rules"]
]
IDS = [f"{number}-{rule['alert']}" for number, rule in enumerate(RULES)]
NAMES = {
    "ImageJobNotFinished",
    "ImageJobFailures",
    "ImageJobOrphans",
    "ImageJobCleaningOverdue",
    "ImageJobCleaningDeferred",
    "ImageJobSweepsFail",
    "ImageJobStoreUnusable",
    "ImageJobNamespaceUnavailable",
    "ImageJobOperatorAway",
    "ImageJobNoLeader",
    "ImageJobOperatorNoProgress",
}
FAILURES = [rule for rule in RULES if rule["alert"] == "ImageJobFailures"]


def watched(*jobs: ImageJob) -> Metrics:
    metrics = Metrics()
    metrics.watch(lambda: jobs, lambda: True, (), lambda: [(StoreSweeps("default", 0.0), 0.0)])
    return metrics


def exposed() -> set[str]:
    """Names of all samples that the operator's metrics can have."""
    names = set()
    for family in watched().registry.collect():
        names.add(family.name + ("_total" if family.type == "counter" else ""))
        names |= {sample.name for sample in family.samples}
    return names


def used(rule: dict[str, Any]) -> set[str]:
    """Names of all metrics of ours in an alert, its texts included."""
    return set(re.findall(r"\bimagejob_[a-z_]+", rule["expr"] + yaml.safe_dump(rule["annotations"])))


def test_all_alerts_are_there() -> None:
    assert {rule["alert"] for rule in RULES} == NAMES


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_metrics_exist(rule: dict[str, Any]) -> None:
    assert used(rule)
    assert used(rule) <= exposed()


def test_a_metric_that_does_not_exist_is_found() -> None:
    rule = {"expr": "imagejob_oldest_unfinished_second > 1", "annotations": {}}
    assert used(rule) - exposed() == {"imagejob_oldest_unfinished_second"}


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_alert_says_how_bad_what_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert severities(rule) <= {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert "{{" in rule["annotations"]["description"], "no value in it"


@pytest.mark.parametrize("rule", [r for r in RULES if r not in FAILURES], ids=lambda rule: rule["alert"])
def test_runbook_has_the_entry(rule: dict[str, Any]) -> None:
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == BASE
    assert anchor in anchors(RUNBOOK.read_text())
    assert rule["alert"] in RUNBOOK.read_text()


@pytest.mark.parametrize("pair", CATALOGUE, ids=lambda pair: "-".join(pair))
def test_failures_lead_to_the_entry_of_their_code_and_reason(pair: tuple[Code, Any]) -> None:
    for rule in FAILURES:
        url = rule["annotations"]["runbook_url"]
        for label, value in zip(("code", "reason"), pair, strict=True):
            url = url.replace(f"{{{{ $labels.{label} | toLower }}}}", value.lower())
        assert url == Failure(*pair, "").runbook


def age_of_oldest(job: ImageJob) -> float:
    (family,) = [f for f in watched(job).registry.collect() if f.name == "imagejob_oldest_unfinished_seconds"]
    (sample,) = family.samples
    return sample.value


def oldest_unfinished(phase: Phase, suspended_seconds: int = 0, queued_for: int = 0) -> float:
    """What the metric says of a job that began an hour ago."""
    begun = datetime.now(UTC) - timedelta(hours=1)
    metadata = {"namespace": "n", "name": "j", "uid": "u", "resourceVersion": "1"}
    metadata["creationTimestamp"] = begun.isoformat()
    queued = datetime.now(UTC) - timedelta(seconds=queued_for) if queued_for else None
    run = RunStatus(
        id="1", number=1, started_at=begun, suspended_seconds=suspended_seconds, queued_since=queued
    )
    status = Status(phase=phase.value, run=run)
    job = parse_job({"metadata": metadata, "status": status_body(status)})
    return age_of_oldest(job)


@pytest.mark.parametrize("phase", [p for p in Phase if p not in TERMINAL and p is not Phase.SUSPENDED])
def test_every_phase_but_suspended_counts_as_unfinished(phase: Phase) -> None:
    assert 3600 <= oldest_unfinished(phase) < 3700


@pytest.mark.parametrize("phase", [*TERMINAL, Phase.SUSPENDED])
def test_what_has_ended_or_rests_does_not(phase: Phase) -> None:
    assert oldest_unfinished(phase) == 0


def test_time_in_a_queue_does_not_count() -> None:
    assert 600 <= oldest_unfinished(Phase.LAUNCHING, queued_for=3000) < 700


def test_a_new_run_of_an_old_job_counts_from_its_start() -> None:
    """The job was created a month ago and run again a minute ago; it waits in Pending."""
    now = datetime.now(UTC)
    metadata = {"namespace": "n", "name": "j", "uid": "u", "resourceVersion": "1"}
    metadata["creationTimestamp"] = (now - timedelta(days=30)).isoformat()
    run = RunStatus(id="", number=1, epoch=0)
    status = Status(phase=Phase.PENDING.value, phase_since=now - timedelta(minutes=1), run=run)
    job = parse_job({"metadata": metadata, "status": status_body(status)})
    assert age_of_oldest(job) < 120


def test_suspended_time_does_not_count() -> None:
    assert 600 <= oldest_unfinished(Phase.RUNNING, suspended_seconds=3000) < 700


def test_phases_that_have_ended_are_the_ones_that_the_rules_leave_out() -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "ImageJobOperatorNoProgress")
    (phases,) = re.findall(r'phase!~"([^"]+)"', rule["expr"])
    assert set(phases.split("|")) == TERMINAL


def test_what_is_scraped_is_the_operators_service() -> None:
    monitor = yaml.safe_load((MONITORING / "servicemonitor.yaml").read_text())
    documents = list(yaml.safe_load_all((ROOT / "manifests" / "base" / "deployment.yaml").read_text()))
    (service,) = (d for d in documents if d["kind"] == "Service")
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    assert wanted <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    (away,) = (rule for rule in RULES if rule["alert"] == "ImageJobOperatorAway")
    assert f'job="{service["metadata"]["name"]}"' in away["expr"]


def test_turns_that_count_as_progress_are_those_that_the_loop_counts() -> None:
    (rule,) = (rule for rule in RULES if rule["alert"] == "ImageJobOperatorNoProgress")
    (result,) = re.findall(r'result="(\w+)"', rule["expr"])
    loop = ast.parse((ROOT / "operator/imagejob_operator/controller/reconciler.py").read_text())
    words = {node.value for node in ast.walk(loop) if isinstance(node, ast.Constant)}
    assert result in words
