"""The page of the capacity benchmark, made from what it measured."""

from __future__ import annotations

from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_PAGE = """\
# Capacity

`make bench-capacity` measures the operator at the sizes that it is made for. It has parts, and
`PART="items latency"` runs some of them. Each part has a new cluster of processes on one machine: a real API
server, etcd, scheduler, MinIO, and the operator by the shipped manifests. All of them and the benchmark share
the CPUs. KWOK simulates the nodes, except in the part *latency*. A program plays the Pods: it uses the
presigned URLs and the code of the processor, but makes no images.

*other* is what the machine did in the seconds before a part began, in cores.
"""

_SECTIONS = {
    "live": (
        "Ten thousand ImageJobs",
        """\
{live} ImageJobs are created in a burst: {active} are active, each with one Pod that runs until the end.
{suspended} have `spec.suspend`, and {ended} are cancelled before they start; both cost the operator one
write of the status each. When each of them has its phase, the operator is observed for a minute. Then its Pod
is deleted, {restartCount} times. Each time, an ImageJob of one item is created at once. Memory is the peak of
the resident memory (VmHWM) in each period.
""",
    ),
    "items": (
        "One ImageJob of many items",
        """\
`spec.source.list` names {items} small objects, which are staged by server-side copies. The *bare loop* makes
copies of the same objects in the same bucket, as many at a time as the operator (16), before and after the
staging. It knows the keys, and makes no other requests. The operator needs the size and ETag of each source,
since a copy depends on the ETag: it lists what the keys have in common, a thousand objects a request.
*Staging* is the time in the phase Staging: reading the list, the listing, the copies, and the manifest.
""",
    ),
    "neighbours": (
        "A queue in another namespace",
        """\
{probes} probes, ImageJobs of one item each, are created one a second: alone, and again after {queued}
ImageJobs of one item were created in another namespace, as fast as the API server took them. All Pods are
simulated, so the queue waits for the operator, the API server and the store. Latencies are from the request
that creates an ImageJob until a watch shows that it has succeeded.
""",
    ),
    "latency": (
        "An idle node",
        """\
{pairs} pairs of an ImageJob and a bare Pod run one after another on a real node, with nothing else in the
cluster. Which of them is first alternates. Both process one photo of 12 megapixels into three JPEGs with the
shipped processor image. The bare Pod is a copy of the Pod of an ImageJob. Its order is written beforehand,
and its outputs stay where it writes them. Both stored outputs of the same sizes. The ImageJob also stages the
photo, verifies the outputs, publishes them, and writes a report. Times are medians, from the request that
creates the object until a watch shows that it has succeeded.

The kubelet reports first that the container has ended, and later that the Pod has succeeded. The operator
needs only the former, so an ImageJob can be faster than a bare Pod whose phase somebody waits for.
""",
    ),
    "pressure": (
        "Requests that are refused",
        """\
A FlowSchema gives the operator's requests for ImageJobs, Pods, Secrets and Events a priority level with the
smallest share and no queue, and MinIO serves four requests at a time. Both respond 429 to all others. {jobs}
ImageJobs of one item are created in a burst. The counts are those of the operator's own metrics. The crash
tests refuse single requests of every kind, see [crash tests](chaos.md).
""",
    ),
}

_ROWS = {
    "live": {
        "creationSeconds": "until the last ImageJob has its phase, s",
        "creationCores": "operator during that time, cores",
        "idleMiB": "operator: memory before, MiB",
        "creationPeakMiB": "operator: memory during that time, MiB",
        "settledPeakMiB": "operator: memory in the minute after it, MiB",
        "settledCores": "operator in that minute, cores",
        "restartPeakMiB": "operator: memory after a restart, MiB",
        "readySeconds": "from the deletion of its Pod until the next one is Ready, s (median)",
        "probeSeconds": "from the deletion of its Pod until the new ImageJob has succeeded, s (median)",
    },
    "items": {
        "idleMiB": "operator: memory before, MiB",
        "peakMiB": "operator: memory during the staging, MiB",
        "stagingSeconds": "staging, s",
        "stagingPerSecond": "staging, items a second",
        "barePerSecond": "bare loop, copies a second",
        "bareBeforePerSecond": "bare loop before the staging",
        "bareAfterPerSecond": "bare loop after the staging",
        "stagingRatio": "staging / bare loop",
        "lookUpSeconds": "of the staging: reading the list, and listing the sources, s",
        "copyPerSecond": "rate of the copies after that, a second",
        "copyRatio": "rate of the copies after that / bare loop",
        "operatorCores": "operator during the staging, cores",
        "storeCores": "MinIO during the staging, cores",
    },
    "neighbours": {
        "delaySeconds": "delay of p99, s",
        "leftBefore": "ImageJobs in the queue before the first probe",
        "leftAfter": "ImageJobs in the queue after the last probe",
        "queuePerSecond": "ImageJobs of the queue that succeeded meanwhile, a second",
    },
    "latency": {
        "imageJobSeconds": "ImageJob, s",
        "podSeconds": "bare Pod, s",
        "differenceSeconds": "difference of a pair, s",
        "podContainerSeconds": "bare Pod, until its container has ended, s",
        "differenceToContainer": "difference of a pair, to the end of that container, s",
        "untilPodCreated": "of the ImageJob: until its Pod is created, s",
        "untilContainerEnded": "of the ImageJob: until the container of its Pod has ended, s",
        "afterContainer": "of the ImageJob: from then until it has succeeded, s",
    },
    "pressure": {
        "succeeded": "ImageJobs that succeeded",
        "seconds": "until the last one, s",
        "p50": "p50 of the latency, s",
        "p99": "p99 of the latency, s",
        "apiRequests": "requests of the operator to the API server",
        "apiRefused": "of these, refused",
        "storeRequests": "requests of the operator to the store",
        "storeRefused": "of these, refused",
    },
}

_LATENCIES = {
    **{"p50": "p50, s", "p90": "p90, s", "p99": "p99, s", "max": "slowest, s"},
    "firstStatusP99": "p99 until the first status, s",
    "podEndedP99": "p99 from the end of the Pod until the status shows it, s",
}


def bench_capacity(measured: dict[str, Any]) -> str:
    """The bars of all parts, and a section with the figures of each."""
    parts = measured["parts"]
    bars = [
        (bar["what"], bar["measured"], bar["bar"], "yes" if bar["met"] else "**no**")
        for part in parts.values()
        for bar in part["bars"]
    ]
    lines = [NOTE, _PAGE, *_table(("figure", "measured", "bar", "met"), bars)]
    if missing := [name for name in _SECTIONS if name not in parts]:
        lines.append(f"Not measured yet: {', '.join(missing)}.\n")
    for name, part in parts.items():
        lines += _section(name, part)
    return "\n".join(lines).rstrip() + "\n"


def _section(name: str, part: dict[str, Any]) -> list[str]:
    title, text = _SECTIONS[name]
    figures = part["figures"]
    counts = {**figures, "restartCount": len(figures.get("restarts", ()))}
    shown = {name: f"{count:,}" for name, count in counts.items() if isinstance(count, int)}
    rows = [(what, figures[figure]) for figure, what in _ROWS[name].items()]
    lines = [f"## {title}\n", text.format(**shown)]
    lines += [
        f"Measured on {part['date']} ({part['machine']}; other: {part['otherCores']:g}).{_note(part)}\n"
    ]
    lines += _table(("figure", "measured"), rows)
    if name == "neighbours":
        latencies = [(each, *(figures[each][name] for name in _LATENCIES)) for each in ("alone", "beside")]
        lines += _table(("probes", *_LATENCIES.values()), latencies)
    return lines


def _note(part: dict[str, Any]) -> str:
    """What someone has added to the document about this measurement."""
    return f" {part['note']}" if "note" in part else ""


def _table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[str]:
    shown = [[f"{cell:g}" if isinstance(cell, float | int) else str(cell) for cell in row] for row in rows]
    rows_of_text = [f"| {' | '.join(line)} |" for line in (heads, *shown)]
    return [rows_of_text[0], "|---" * len(heads) + "|", *rows_of_text[1:], ""]
