"""The dashboard shows what exists, and each panel has a place of its own."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest
import yaml

from architecture.runbook import ROOT
from architecture.test_alerts import MONITORING, exposed

DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
PARTS = re.compile(r"_(bucket|count|sum)$")


def metrics_of(panel: dict[str, Any]) -> set[str]:
    """Names of the metrics in the queries of a panel; a histogram has one name."""
    queries = " ".join(target["expr"] for target in panel["targets"])
    found = re.findall(r"\b(?:imagejob|process)_[a-z_]+", queries.replace("imagejob-operator", ""))
    return {PARTS.sub("", name) for name in found}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_metrics_of_a_panel_exist(panel: dict[str, Any]) -> None:
    assert metrics_of(panel)
    assert metrics_of(panel) <= exposed()


def test_a_metric_that_does_not_exist_is_found() -> None:
    panel = {"targets": [{"expr": "sum(rate(imagejob_reconciles_total[5m]))"}]}
    assert metrics_of(panel) - exposed() == {"imagejob_reconciles_total"}


def test_every_metric_of_a_running_operator_is_shown_or_has_an_alert() -> None:
    rules = (MONITORING / "rules.yaml").read_text()
    shown = set().union(*map(metrics_of, PANELS)) | {
        PARTS.sub("", n) for n in re.findall(r"imagejob_\w+", rules)
    }
    families = {PARTS.sub("", name) for name in exposed() if not name.endswith("_created")}
    assert {name for name in families - shown if name.startswith("imagejob_")} == {
        "imagejob_garbage_deleted_objects_total",
        "imagejob_garbage_sweep_errors_total",
        "imagejob_orphan_prefixes",
        "imagejob_orphan_waiting_objects",
        "imagejob_staging_foreign_prefixes",
        "imagejob_staging_unknown_prefixes",
        "imagejob_unserved_jobs",
        "imagejob_watch_checked_age_seconds",
    }


def test_panels_have_places_and_ids_of_their_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x, y in itertools.product(
            range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"]),
            range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]),
        )
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_monitors_scrape_the_port_of_the_operator() -> None:
    """Both give the label `job` that rules and dashboard select."""
    deployment, service = (
        next(
            d
            for d in yaml.safe_load_all((ROOT / "manifests/base/deployment.yaml").read_text())
            if d["kind"] == k
        )
        for k in ("Deployment", "Service")
    )
    monitor = yaml.safe_load((MONITORING / "podmonitor.yaml").read_text())["spec"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    (endpoint,) = monitor["podMetricsEndpoints"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert endpoint["port"] in {port["name"] for port in container["ports"]}
    assert labels[monitor["jobLabel"]] == service["metadata"]["name"]
