"""The alerts as they are shipped, the tests of them, and promtool to run those."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from localcluster.paths import cache_root

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "manifests" / "monitoring" / "rules.yaml"
CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))

Rule = dict[str, Any]


def shipped_groups() -> list[dict[str, Any]]:
    """The rule groups of the PrometheusRule: what Prometheus is given of it."""
    manifest = yaml.safe_load(RULES.read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    groups: list[dict[str, Any]] = manifest["spec"]["groups"]
    return groups


def shipped_rules() -> list[Rule]:
    """Every rule, in its order."""
    return [rule for group in shipped_groups() for rule in group["rules"]]


def dashboard_queries() -> list[str]:
    """The queries of the dashboard, with values for Grafana's variables."""
    panels = json.loads((RULES.parent / "dashboard.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [q.replace("$__rate_interval", "2m").replace("$namespace", "imagejob") for q in queries]


def check_queries(folder: Path, queries: list[str]) -> subprocess.CompletedProcess[str]:
    """promtool's opinion of queries."""
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    (folder / "queries.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = [promtool(), "check", "rules", "queries.yaml"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def severities(rule: Rule) -> set[str]:
    """The severity of a rule; both, if it depends on a label."""
    severity = rule["labels"]["severity"]
    return set(re.findall(r"}}(\w+){{", severity)) or {severity}


def cases_of(alert: str) -> list[dict[str, Any]]:
    """The promtool tests that look at one alert, as documents of the one rule file `rules.yaml`."""
    documents = []
    for path in CASES:
        document = yaml.safe_load(path.read_text())
        document["tests"] = [
            test
            for test in document["tests"]
            if any(case["alertname"] == alert for case in test["alert_rule_test"])
        ]
        if document["tests"]:
            documents.append(document)
    return documents


def mutants(rules: list[Rule]) -> Iterator[tuple[str, list[Rule]]]:
    """Every rule with each of its numbers, times and operators moved, one at a time."""
    for position, rule in enumerate(rules):
        for name, changed in _wrong(rule):
            yield f"{position}-{rule['alert']}-{name}", [*rules[:position], changed, *rules[position + 1 :]]


def _wrong(rule: Rule) -> Iterator[tuple[str, Rule]]:
    expression = rule["expr"]
    for found in re.finditer(r"(> |== |\[|offset )(\d+)([mh]?)", expression):
        number, unit = int(found[2]), found[3]
        if unit == "h":
            number, unit = number * 60, "m"
        for other in (number * 2, number // 2) if number else (1, -1):
            wrong = f"{found[1]}{other}{unit}"
            text = expression[: found.start()] + wrong + expression[found.end() :]
            yield f"{found[0]} is {wrong}", {**copy.deepcopy(rule), "expr": text}
    if "for" in rule:
        number, unit = int(rule["for"][:-1]), rule["for"][-1]
        seconds = number * {"m": 60, "h": 3600}[unit]
        for other in (seconds * 2, seconds // 2):
            yield f"for {other}s", {**copy.deepcopy(rule), "for": f"{other}s"}
    for label, value in rule["labels"].items():
        yield f"not {value}", {**copy.deepcopy(rule), "labels": {label: "none"}}


def promtool() -> str:
    """The path of promtool: the machine's own, else the one of Debian's package, unpacked into the cache.

    The package is not installed: that would start a Prometheus.
    """
    own = shutil.which("promtool")
    if own:
        return own
    kept = cache_root() / "bin" / "promtool"
    if not kept.exists():
        _fetch(kept)
    return str(kept)


def _fetch(target: Path) -> None:
    if not shutil.which("apt-get"):
        raise RuntimeError("promtool is needed: install it from your distribution's prometheus package")
    with tempfile.TemporaryDirectory() as folder:
        download = ["apt-get", "download", "-q", "prometheus"]
        if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode:
            update = ["apt-get", "update", "-q"]
            done = subprocess.run(update, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"apt-get update: {done.stderr}"
            done = subprocess.run(download, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"apt-get download prometheus: {done.stderr}"
        (package,) = Path(folder).glob("prometheus_*.deb")
        subprocess.run(["dpkg-deb", "-x", package, f"{folder}/unpacked"], check=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copy2(Path(folder) / "unpacked" / "usr" / "bin" / "promtool", fresh)
        fresh.rename(target)


def run_tests(
    folder: Path, rules: list[Rule], documents: list[dict[str, Any]]
) -> subprocess.CompletedProcess[str]:
    """Run promtool's tests on these rules."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "imagejob", "rules": rules}]}))
    names = []
    for number, document in enumerate(documents):
        names.append(f"case-{number}.yaml")
        (folder / names[-1]).write_text(yaml.safe_dump(document))
    command = [promtool(), "test", "rules", *names]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
