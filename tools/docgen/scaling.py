"""The page of the scale benchmark, made from what it measured."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_PAGE = """\
# Cost of an ImageJob

`make bench-scale` runs {jobs} ImageJobs of one item, {jobs} Jobs and {jobs} Pods in bursts, one ImageJob and
one Job with {shards} Pods each, and {jobs} ImageJobs at {percent} % of the rate of their burst. Each load is
measured by itself, after the objects of the one before have been deleted. All loads run one after another, on
both control planes in turn. The figures are medians; number of repetitions: {repetitions}.

- The API server, etcd, the scheduler, the controllers, MinIO and the operator are real, and run on one
  machine. The operator and MinIO are installed by the shipped manifests.
- KWOK simulates the nodes. A program plays the Pods. Those of ImageJobs use the presigned URLs and the code
  of the processor, but make no images. The Pods of Jobs and bare Pods succeed at once, and use no store.
- On the *stock* control plane, controllers and scheduler have their default limits of requests (20 and 50 per
  second). On the *tuned* one, both have `--kube-api-qps=500 --kube-api-burst=500`.

- *p50* and *p99* are from the request that creates an object until a watch shows that it has succeeded.
- CPU times are those of whole processes, divided by the number of Pods. *bench* is the program that creates
  the objects, watches them and plays the Pods. *other* are all processes of the machine that the table of CPU
  times does not have: KWOK, the kubelet, and whatever else ran.

Measured on {date} ({machine}). {note}

![Pods that succeed per second](bench-scale-rate.png)

![CPU per Pod](bench-scale-cpu.png)
"""

_LOADS = (
    *("load", "Pods per second", "lowest to highest", "p50, s", "p99, s"),
    *("operator, cores", "operator, peak MB", "other, cores"),
)
_CPU = ("kube-apiserver", "etcd", "operator", "MinIO", "kube-controller-manager", "kube-scheduler", "bench")
_LAGS = {
    "firstStatus": "the object was created: `status.phase` is set",
    "podEnded": "the Pod succeeded: the phase is Publishing or Succeeded",
}

_BURST, _JOBS, _STEADY = "ImageJobs, burst", "Jobs, burst", "ImageJobs, steady"
_RATIO = f"{_BURST} / {_JOBS}"
_MET: dict[str, Callable[[float, float], bool]] = {"at least": operator.ge, "at most": operator.le}
_WHERE_TIME_GOES = """\
During a burst of ImageJobs both CPUs are full. Each ImageJob costs the API server {api:g} ms, the operator
{operator:g} ms and the store {store:g} ms, of {all:.0f} ms for all programs together. In a burst, Running or
Publishing lasts longer than a second, so most jobs have one status more than under the steady load. Native
Jobs are slowed down by the stock limits of requests, not by the CPUs. On the tuned control plane, a Job costs
{job:.0f} ms, and uses no store. Decisions [24](../contributors/decisions/0024-status-writes.md) and
[25](../contributors/decisions/0025-requests.md) say why each write is needed, which one could go next, and
where the time of the operator goes.
"""


def bench_scale(measured: dict[str, Any]) -> str:
    """Rates, latencies, CPU, writes and requests of every load."""
    percent = round(100 * measured["steadyPart"])
    lines = [NOTE, _PAGE.format(**{"note": "", **measured}, percent=percent).replace(" \n", "\n")]
    lines += _bars(measured["planes"])
    for plane, found in measured["planes"].items():
        lines += [f"## {plane.capitalize()} control plane\n", *_plane(found)]
    return "\n".join(lines).rstrip() + "\n"


def _bars(planes: dict[str, Any]) -> list[str]:
    """What was reached of what should be, and where the time goes."""
    stock, tuned = planes["stock"], planes["tuned"]
    burst, steady = stock["loads"][_BURST], stock["loads"][_STEADY]
    cpu = burst["cpuMs"]
    bars = [
        ("ImageJobs per second", "stock", burst["perSecond"], "at least", 10),
        ("their rate / that of Jobs", "stock", stock["ratios"][_RATIO], "at least", 3),
        ("their rate / that of Jobs", "tuned", tuned["ratios"][_RATIO], "at least", 0.6),
        ("CPU of kube-apiserver per ImageJob, ms", "stock", cpu["kube-apiserver"], "at most", 70),
        ("CPU of the operator per ImageJob, ms", "stock", cpu["operator"], "at most", 35),
        ("CPU of MinIO per ImageJob, ms", "stock", cpu["MinIO"], "at most", 30),
        (
            "writes of the operator per ImageJob, steady",
            "stock",
            _sum(steady["operatorWrites"]),
            "at most",
            8,
        ),
        ("status behind, steady, p99, s", "stock", _most_behind(steady), "at most", 2),
    ]
    rows = [
        (what, plane, f"{value:.3g}", f"{words} {limit:g}", "yes" if _MET[words](value, limit) else "**no**")
        for what, plane, value, words, limit in bars
    ]
    reason = _WHERE_TIME_GOES.format(
        api=cpu["kube-apiserver"],
        operator=cpu["operator"],
        store=cpu["MinIO"],
        all=_all_cpu(burst),
        job=_all_cpu(tuned["loads"][_JOBS]),
    )
    return [*_table(("figure", "control plane", "measured", "bar", "met"), rows), reason]


def _sum(counts: dict[str, float]) -> float:
    return float(sum(counts.values()))


def _most_behind(figures: dict[str, Any]) -> float:
    return max(float(lag["p99"]) for lag in figures["freshness"].values())


def _all_cpu(figures: dict[str, Any]) -> float:
    """The CPU time of the whole machine per Pod, in ms."""
    return _sum(figures["cpuMs"]) + 1000.0 * float(figures["otherCores"]) / float(figures["perSecond"])


def _plane(found: dict[str, Any]) -> list[str]:
    loads = found["loads"]
    lines = [
        *_table(_LOADS, [_load(name, figures) for name, figures in loads.items()]),
        *_table(("ratio of rates", "measured"), [(name, value) for name, value in found["ratios"].items()]),
        "CPU per Pod in ms:\n",
        *_table(("load", *_CPU), [(name, *(f["cpuMs"][c] for c in _CPU)) for name, f in loads.items()]),
    ]
    for name, figures in loads.items():
        if "freshness" in figures:
            lags = [(_LAGS[what], lag["p50"], lag["p99"]) for what, lag in figures["freshness"].items()]
            lines += [f"Freshness of the status ({name}):\n", *_table(("after", "p50, s", "p99, s"), lags)]
    lines += ["Writes to the API server per Pod, from the audit log:\n", *_counts(loads, "allWrites")]
    lines += ["Those of the operator:\n", *_counts(loads, "operatorWrites")]
    return [*lines, "Requests to the store per Pod:\n", *_counts(loads, "storeRequests")]


def _load(name: str, figures: dict[str, Any]) -> tuple[Any, ...]:
    low, high = figures["range"]
    rest = (figures.get(each, "") for each in ("p50", "p99", "operatorCores", "operatorPeakMB", "otherCores"))
    return (name, figures["perSecond"], f"{low:g} to {high:g}", *rest)


def _counts(loads: dict[str, Any], what: str) -> list[str]:
    """Counts by name, a column for each load that has any, and their sums."""
    shown = {load: figures[what] for load, figures in loads.items() if figures[what]}
    names = sorted({name for counts in shown.values() for name in counts})
    rows: list[tuple[Any, ...]] = [(name, *(c.get(name, "") for c in shown.values())) for name in names]
    sums = (f"**{sum(counts.values()):.3g}**" for counts in shown.values())
    return _table(("", *shown), [*rows, ("**in all**", *sums)])


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    shown = [[f"{cell:g}" if isinstance(cell, float | int) else str(cell) for cell in row] for row in rows]
    rows_of_text = [f"| {' | '.join(line)} |" for line in (heads, *shown)]
    return [rows_of_text[0], "|---" * len(heads) + "|", *rows_of_text[1:], ""]
