"""The page of the soak, made from what it measured."""

from __future__ import annotations

from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"
ROWS = 10

_PAGE = """\
# Memory over thousands of jobs

`make soak`: {jobs} ImageJobs are created, run and deleted, {alive} at a time, against the shipped operator
with a real API server, etcd, scheduler and MinIO. Their Pods run on nodes simulated by KWOK. An actor does
the work of the Pods through the presigned URLs with the processor's own code, but makes no images.

Commit {commit}, {date}, {machine}: {seconds} s, {jobsPerSecond} jobs per second with everything on one
machine, {operatorCpuMsPerJob} ms of the operator's CPU per job, {openFiles[0]:g} open files at the
beginning and {openFiles[1]:g} at the end.

| resident memory of the operator | |
|---|---|
| after warming up: {first} | {beforeMB} MB |
| at the end: {last} | {afterMB} MB |
| ratio (the limit is {atMost:.2f}) | **{ratio:.3f}** |

Medians of one sample every two seconds. The jobs before are warm-up: thread and connection pools and the
allocator's arenas reach their size. The test fails if the operator was restarted, or still has a job or a
Pod in memory after the last one was deleted.
"""


def soak(measured: dict[str, Any]) -> str:
    """The page: memory before and after, and the curve between."""
    jobs, warm, window = measured["jobs"], measured["warmUp"], measured["window"]
    first, last = _part(jobs, warm, warm + window), _part(jobs, 1 - window, 1)
    lines = [NOTE, _PAGE.format(**measured, first=first, last=last), "| jobs | MB |", "|---|---|"]
    curve = measured["curve"]
    step = max(1, len(curve) // ROWS)
    lines += [f"| {done} | {size} |" for done, size in curve[step - 1 :: step]]
    lines += ["\n| jobs | how they ended |", "|---|---|"]
    lines += [f"| {count} | {way} |" for way, count in measured["ways"].items()]
    return "\n".join(lines) + "\n"


def _part(jobs: int, low: float, high: float) -> str:
    return f"jobs {round(jobs * low)} to {round(jobs * high)}"
