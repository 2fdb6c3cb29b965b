"""The page of metrics and alerts, made from the operator's registry and the alert rules."""

from __future__ import annotations

import re
from typing import Any

from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import RUNBOOK

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_METRICS = """\
# Metrics, traces and alerts

The operator serves `/metrics`, `/healthz` and `/readyz` on port 8080 (`IMAGEJOB_HTTP_PORT`).

```sh
kubectl apply -k manifests/monitoring -n imagejob-system
```

adds a ServiceMonitor and the alert rules, which need the Prometheus Operator, and a
[dashboard](../../manifests/monitoring/dashboard.json) for Grafana. The dashboard is in a ConfigMap with the
label `grafana_dashboard: "1"`, which the sidecar of Grafana's chart loads; the file can also be imported into
Grafana 10.1 or later. If your Prometheus selects PodMonitors only, use `podmonitor.yaml` instead of
`servicemonitor.yaml`. The Prometheus Operator and Grafana were not run in the tests: promtool reads every
rule and every query of the dashboard, and the metrics are those of the real operator.

## Metrics

Only the leader counts jobs and sweeps. Labels are phases, codes, reasons, verbs, kinds, stores and watched
namespaces, never names of jobs. The label `store` is `default` for the operator's own store, and namespace
and name for an ImageStore; counters of runs have only `imagestore`. The label `cause` is `tenant` for
failures that a user of the namespace can fix, those of its ImageStores included, else `installation`.
The label `job_namespace` is the namespace of the jobs, for the first 100 namespaces that a replica counts;
all others share `(other)`. (`namespace` is the one of the operator that is scraped.)
`/metrics` also has the usual `process_*` metrics (memory, CPU, open files, start time).

| metric | type | meaning |
|---|---|---|"""

_ALERTS = """
`imagejob_event_loop_lag_seconds` shows whether something blocks the operator: all jobs wait meanwhile, and
the Lease is lost after 8 seconds. A lag of 0.25 seconds or more is logged as `the event loop was blocked`,
with the stack that held it. A lag can also mean that the container has too little CPU.
`imagejob_event_errors_total` should be 0: each error is logged with its traceback and is a bug.

The `imagejob_orphan_*` metrics should be 0, except `imagejob_orphan_waiting_objects`. They count garbage that
the last complete sweep should have deleted and did not. With `IMAGEJOB_SWEEP_MODE=Report`, they count all
garbage that is old enough to be deleted. Staging of other clusters and installations is counted and never
deleted. To remove it, see the [runbook](runbook.md#staging-of-a-cluster-that-is-gone).

## Notifications

With [`IMAGEJOB_EVENT_SINK`](configuration.md#notifications), the operator sends a CloudEvent to a server of
yours for each run that ends: by POST, as JSON in structured mode. Its type is `dev.imagejob.run.finished`,
`.failed` or `.cancelled`, its subject `NAMESPACE/NAME`. Its data has the run, its code, reason and message,
the counts of items and outputs, and the key of the report.

An event is sent at least once. One that is not accepted with a status of 200 to 299 is sent again, with
growing pauses, until 15 minutes after the end of the run. Then it is dropped: it counts in
`imagejob_notifications_total{result="dropped"}`, and the log has the reason. After a status of 400 to 499,
which says that the server will not take this event, it is dropped at once; but after 401, 403, 408, 425 and
429 it is sent again. Events of one namespace do not hold up those of others. A new leader sends the events of
the last 15 minutes again. Their `id` is the same, so the server can ignore them. An event is lost if the
operator ends before it was accepted, and either the ImageJob is deleted or no operator runs for 15 minutes.
Events are not in the order of the runs.

## Traces

With [`OTEL_EXPORTER_OTLP_ENDPOINT`](configuration.md#traces), the operator sends an OpenTelemetry trace of
each run when it has ended, by OTLP over HTTP.

| span | parent | from | to |
|---|---|---|---|
| `run` | | start of the run | its end |
| `staging`, `launching`, `processing`, `publishing` | `run` | start of the phase | start of the next one |
| `validating` | `run` | start of a run with `mode: Validate` | its end |
| `cleaning` | `run` | failure or cancellation | end of the run |
| `pod` | `run` | creation of a Pod | end of its processor |
| `start` | `pod` | creation of the Pod | start of its processor |
| `order`, `fetch`, `process`, `store` | `pod` | first start of this work in the Pod | its last end |

A span `run` has the namespace (`k8s.namespace.name`), and name, uid, run, phase, outcome, counts of items
and outputs, and report of the ImageJob as `imagejob.*`. If the run failed, its status is Error with the
message, and `error.type` is the code, such as JOB_002; so it is for the span of the phase in which it
failed. `imagejob.items.codes` are the codes (IMG_001 to IMG_014) of the failed items that the status lists.
A cancelled run has no Error. Spans of a Pod have its name and uid as `k8s.pod.*`. A Pod that failed has the
status Error, and `error.type` is the reason.

A Pod does several items at once, so the spans `fetch`, `process` and `store` overlap. Their attribute
`imagejob.busy_ms` is the sum over all items, and `imagejob.sources`, `imagejob.images` or
`imagejob.outputs` is their number. They are missing for a Pod that did not end well, and for one that was
deleted before the operator saw its end. Times of phases have whole seconds, as in the status. Times of Pods
are by the clocks of their nodes. A run that was suspended shows the phases since it was resumed. A trace
has at most 1000 Pods.

Each line of the operator's log about a run has the `trace_id`. It follows from the uid of the ImageJob and
the number of the run:

```sh
printf imagejob/UID/NUMBER | sha256sum | cut -c1-32
```

A trace is sent once, from memory. If the collector does not answer, or answers with 429, 502, 503 or 504,
it is sent again for two minutes, with growing pauses. No job waits for it. At most 10,000 runs and Pods
wait. What is not sent is dropped: it counts in `imagejob_traces_total{result="dropped"}`, and the log has
the reason, at most once a minute. A trace is lost if the operator ends before it was sent. A run has none
if its ImageJob is deleted before it ends.

## Alerts

| alert | severity | summary | what to do |
|---|---|---|---|"""


def monitoring(rules: dict[str, Any]) -> str:
    """Every metric with its help text, and every alert with its runbook entry."""
    metrics = Metrics()
    metrics.watch(lambda: (), lambda: True)
    families = sorted(metrics.registry.collect(), key=lambda family: family.name)
    lines = [NOTE, _METRICS]
    for family in families:
        if family.name.startswith("imagejob_"):
            suffix = "_total" if family.type == "counter" else ""
            lines.append(f"| `{family.name}{suffix}` | {family.type} | {family.documentation} |")
    lines.append(_ALERTS)
    for group in rules["spec"]["groups"]:
        lines += [_alert(rule) for rule in group["rules"]]
    return "\n".join(lines) + "\n"


def _alert(rule: dict[str, Any]) -> str:
    notes, severity = rule["annotations"], rule["labels"]["severity"]
    if either := re.findall(r"}}(\w+){{", severity):
        severity = f"{either[0]}; {either[1]} if a tenant can fix it"
    anchor = notes["runbook_url"].removeprefix(RUNBOOK)
    summary = re.sub(r"{{ \$labels\.(\w+) }}", r"(\1)", notes["summary"])
    link = "[error codes](../users/errors.md)" if "{{" in anchor else f"[runbook](runbook.md{anchor})"
    return f"| {rule['alert']} | {severity} | {summary} | {link} |"
