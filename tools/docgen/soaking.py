"""The page of the soak, made from what it measured."""

from __future__ import annotations

from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"
ROWS = 10

_PAGE = """\
# Memory over thousands of jobs

`make soak`: {jobs} ImageJobs are created, come to their end and are deleted, {alive} at a time, against the
shipped operator with a real API server, etcd, scheduler and MinIO. Their Pods are bound to nodes that KWOK
simulates, and an actor does their part through the presigned URLs with the processor's own code; only the
pictures are not made.

Commit {commit}, {date}, {machine}: {seconds} s, {jobsPerSecond} jobs a second with everything on one machine,
{operatorCpuMsPerJob} ms of the operator's CPU a job, {openFiles[0]:g} open files at the beginning and
{openFiles[1]:g} at the end.

| resident memory of the operator | |
|---|---|
| after warming up: {first} | {beforeMB} MB |
| in the end: {last} | {afterMB} MB |
| ratio (less than {atMost:.2f} is promised) | **{ratio:.3f}** |

Medians of a sample every two seconds. The jobs before are not judged: with them the pools of threads and
connections get their size, each way is gone for the first time, and the allocator has its arenas. A run in
which the operator was restarted, or still knows a job or a Pod after the last one is gone, is no success,
whatever its memory.
"""


def soak(measured: dict[str, Any]) -> str:
    """What was done, the memory before and after, and the curve between."""
    jobs, warm, window = measured["jobs"], measured["warmUp"], measured["window"]
    first, last = _part(jobs, warm, warm + window), _part(jobs, 1 - window, 1)
    lines = [NOTE, _PAGE.format(**measured, first=first, last=last), "| jobs | MB |", "|---|---|"]
    curve = measured["curve"]
    step = max(1, len(curve) // ROWS)
    lines += [f"| {done} | {size} |" for done, size in curve[step - 1 :: step]]
    lines += ["\n| so many | went this way |", "|---|---|"]
    lines += [f"| {count} | {way} |" for way, count in measured["ways"].items()]
    return "\n".join(lines) + "\n"


def _part(jobs: int, low: float, high: float) -> str:
    return f"jobs {round(jobs * low)} to {round(jobs * high)}"
