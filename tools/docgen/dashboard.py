"""The Grafana dashboard of the operator: one table of panels, and the JSON that is made of it."""

from __future__ import annotations

import itertools
import string
from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.common import ReduceDataOptions, VizLegendOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as TimeSeries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendDisplayMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

from imagejob_operator.api.phase import TERMINAL

ENDED = "|".join(sorted(TERMINAL))
SOURCE = DataSourceRef(type_val="prometheus", uid="$datasource")
NUMBER, GRAPH = 4, 8
"""Widths of panels, in the 24 columns of a dashboard."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: queries with the legend of each, and the unit as Grafana names it."""

    title: str
    unit: str
    queries: Sequence[tuple[str, str]]
    number: bool = False
    """The newest value as a number, instead of a graph."""


def _rate(metric: str, by: str, selector: str = "") -> str:
    return f"sum by ({by}) (rate({metric}{{{_here(selector)}}}[$__rate_interval]))"


def _quantile(quantile: float, metric: str, by: str = "") -> str:
    labels = f"le, {by}" if by else "le"
    rate = f"sum by ({labels}) (rate({metric}_bucket{{{_here()}}}[$__rate_interval]))"
    return f"histogram_quantile({quantile}, {rate})"


def _here(selector: str = "") -> str:
    return ", ".join(filter(None, ('namespace="$namespace"', selector)))


def _quantiles(metric: str) -> list[tuple[str, str]]:
    return [(_quantile(0.5, metric), "p50"), (_quantile(0.99, metric), "p99")]


def _number(title: str, unit: str, query: str) -> Panel:
    return Panel(title, unit, [(query, "")], number=True)


UNFINISHED = _here(f'phase!~"{ENDED}"')
FAILED = _here('phase="Failed"')
SCRAPED = _here('job="imagejob-operator"')
ROWS: dict[str, Sequence[Panel]] = {
    "Overview": [
        _number("Leaders", "short", f"sum(imagejob_leader{{{_here()}}})"),
        _number("Store usable", "bool_yes_no", f"max(imagejob_store_usable{{{_here()}}})"),
        _number("Unfinished ImageJobs", "short", f"sum(imagejob_jobs{{{UNFINISHED}}}) or vector(0)"),
        _number("Oldest unfinished run", "s", f"max(imagejob_oldest_unfinished_seconds{{{_here()}}})"),
        _number("Failures, last hour", "short", f"sum(increase(imagejob_finished_total{{{FAILED}}}[1h]))"),
        _number("Orphaned objects", "short", f"sum(imagejob_orphan_objects{{{_here()}}})"),
    ],
    "ImageJobs": [
        Panel("ImageJobs by phase", "short", [(f"sum by (phase) (imagejob_jobs{{{_here()}}})", "{{phase}}")]),
        Panel("Ended runs", "ops", [(_rate("imagejob_finished_total", "phase"), "{{phase}}")]),
        Panel("Items", "ops", [(_rate("imagejob_items_total", "result"), "{{result}}")]),
        Panel(
            "Failures by code and reason",
            "ops",
            [(_rate("imagejob_finished_total", "code, reason", 'phase="Failed"'), "{{code}} {{reason}}")],
        ),
        Panel(
            "Time in each phase, p95",
            "s",
            [(_quantile(0.95, "imagejob_phase_duration_seconds", "phase"), "{{phase}}")],
        ),
        Panel("Start of Pods", "s", _quantiles("imagejob_pod_start_seconds")),
    ],
    "Operator": [
        Panel("Reconciles", "ops", [(_rate("imagejob_reconcile_total", "result"), "{{result}}")]),
        Panel("Duration of reconciles", "s", _quantiles("imagejob_reconcile_duration_seconds")),
        Panel(
            "Keys in work queues",
            "short",
            [(f"sum by (queue) (imagejob_workqueue_depth{{{_here()}}})", "{{queue}}")],
        ),
        Panel(
            "Time in work queues, p99",
            "s",
            [(_quantile(0.99, "imagejob_workqueue_queue_duration_seconds", "queue"), "{{queue}}")],
        ),
        Panel(
            "Waiting for a limited resource, p99",
            "s",
            [(_quantile(0.99, "imagejob_wait_seconds", "limiter"), "{{limiter}}")],
        ),
        Panel(
            "Event loop and watches",
            "s",
            [
                (_quantile(0.99, "imagejob_event_loop_lag_seconds"), "event loop lag, p99"),
                (f"max(imagejob_watch_lag_seconds{{{_here()}}})", "watch lag"),
            ],
        ),
        Panel(
            "CPU by Pod",
            "short",
            [(_rate("process_cpu_seconds_total", "pod", 'job="imagejob-operator"'), "{{pod}}")],
        ),
        Panel(
            "Memory by Pod",
            "bytes",
            [
                (
                    f"max by (pod) (process_resident_memory_bytes{{{SCRAPED}}})",
                    "{{pod}}",
                )
            ],
        ),
        Panel("Notifications", "ops", [(_rate("imagejob_notifications_total", "result"), "{{result}}")]),
        Panel("Traces", "ops", [(_rate("imagejob_traces_total", "result"), "{{result}}")]),
        Panel(
            "Watch events with errors", "ops", [(_rate("imagejob_event_errors_total", "kind"), "{{kind}}")]
        ),
    ],
    "Requests": [
        Panel(
            "API server, by verb and code",
            "reqps",
            [(_rate("imagejob_api_request_duration_seconds_count", "verb, code"), "{{verb}} {{code}}")],
        ),
        Panel(
            "API server, p99",
            "s",
            [(_quantile(0.99, "imagejob_api_request_duration_seconds", "verb"), "{{verb}}")],
        ),
        Panel(
            "Stores, by operation and result",
            "reqps",
            [
                (
                    _rate("imagejob_store_request_duration_seconds_count", "operation, result"),
                    "{{operation}} {{result}}",
                )
            ],
        ),
        Panel(
            "Stores, p99",
            "s",
            [(_quantile(0.99, "imagejob_store_request_duration_seconds", "operation"), "{{operation}}")],
        ),
        Panel(
            "Bytes copied into staging", "Bps", [(_rate("imagejob_staged_bytes_total", "namespace"), "bytes")]
        ),
        Panel(
            "Staging without a run",
            "bytes",
            [(f"sum by (store) (imagejob_orphan_bytes{{{_here()}}})", "{{store}}")],
        ),
    ],
}


def dashboard() -> str:
    """The dashboard as JSON, to be imported into Grafana 10.1 or later."""
    made = (
        Dashboard("ImageJob operator")
        .uid("imagejob-operator")
        .tags(["imagejob"])
        .refresh("30s")
        .time("now-3h", "now")
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .with_variable(
            QueryVariable("namespace")
            .label("Namespace of the operator")
            .datasource(SOURCE)
            .query("label_values(imagejob_leader, namespace)")
            .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        )
    )
    ids = itertools.count(1)
    for title, panels in ROWS.items():
        made = made.with_row(Row(title).id(next(ids)))
        for panel in panels:
            made = made.with_panel(_panel(panel).id(next(ids)))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _panel(panel: Panel) -> Stat | TimeSeries:
    if panel.number:
        newest = ReduceDataOptions().calcs(["lastNotNull"])
        built: Stat | TimeSeries = Stat().span(NUMBER).height(4).reduce_options(newest)
    else:
        legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST).show_legend(show_legend=True)
        built = TimeSeries().span(GRAPH).height(8).legend(legend).min(0)
    built = built.title(panel.title).unit(panel.unit).datasource(SOURCE)
    for letter, (query, legend_format) in zip(string.ascii_uppercase, panel.queries, strict=False):
        built = built.with_target(Dataquery().expr(query).legend_format(legend_format).ref_id(letter))
    return built
