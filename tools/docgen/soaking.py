"""The page of the soak, made from what it measured."""

from __future__ import annotations

from typing import Any

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"
ROWS = 10

_PAGE = """\
# Memory over thousands of jobs

`make soak` creates, runs and deletes {jobs} ImageJobs, {alive} at a time, with the shipped operator and a
real API server, etcd, scheduler and store. KWOK simulates the nodes of the Pods. A program does the work of
the Pods: it uses the presigned URLs and the code of the processor, but makes no images.

Measured at commit {commit} on {date} ({machine}) in {seconds} s: {jobsPerSecond} jobs per second with
everything on one machine, and {operatorCpuMsPerJob} ms of the operator's CPU per job. The operator had
{openFiles[0]:g} open files at the beginning and {openFiles[1]:g} at the end.

| resident memory of the operator | |
|---|---|
| after warming up: {first} | {beforeMB} MB |
| at the end: {last} | {afterMB} MB |
| ratio (the limit is {atMost:.2f}) | **{ratio:.3f}** |

The figures are medians of samples every two seconds. During the jobs before them, thread pools, connection
pools and the allocator's arenas grow to their size. The test fails if the operator was restarted, or still
has a job or a Pod in memory after the last one was deleted.
"""


def soak(measured: dict[str, Any]) -> str:
    """The page: memory before and after, and the curve between."""
    jobs, warm, window = measured["jobs"], measured["warmUp"], measured["window"]
    first, last = _part(jobs, warm, warm + window), _part(jobs, 1 - window, 1)
    lines = [NOTE, _PAGE.format(**measured, first=first, last=last), "| jobs | MB |", "|---|---|"]
    curve = measured["curve"]
    step = max(1, len(curve) // ROWS)
    lines += [f"| {done} | {size} |" for done, size in curve[step - 1 :: step]]
    lines += ["\n| jobs | kind of job and phase at the end |", "|---|---|"]
    lines += [f"| {count} | {way} |" for way, count in measured["ways"].items()]
    return "\n".join(lines) + "\n"


def _part(jobs: int, low: float, high: float) -> str:
    return f"jobs {round(jobs * low)} to {round(jobs * high)}"
