"""What a run shows on the terminal: its phases, the items that fail, and a summary."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import traceback
from time import monotonic
from typing import Any, TextIO

from imagejob.catalogue import explain_failure
from imagejob.printable import visible
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ErrorStatus, Status
from imagejob_operator.documents.report import Report, ReportCheck

UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


class Console:
    """Writes lines; it is the Telemetry of the operator's code, and reads the log of Pods."""

    def __init__(self, place: str, output: TextIO | None = None) -> None:
        """Messages of the operator show `place` instead of the namespace's part of the store."""
        self._place = place
        # A process may be started without a standard output.
        self._output = output or sys.stdout or io.StringIO()
        self._started = monotonic()
        self._progress = ""
        self._error: ErrorStatus | None = None

    def line(self, text: str) -> None:
        """Show a line with the seconds since the start."""
        self._write(f"{monotonic() - self._started:6.1f}s  {text}")

    def _write(self, text: str) -> None:
        try:
            self._output.write(f"{visible(text)}\n")
            self._output.flush()
        except OSError:
            # The reader of a pipe has ended, or a disk is full. What is buffered goes nowhere, too.
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), self._output.fileno())

    # --- Telemetry ---

    def reconcile(self, result: str, seconds: float) -> None:
        """See the port."""

    def moved(self, before: Status, job: ImageJob) -> None:
        """Show the phase, and the error of a run that fails."""
        status = job.status
        words = [status.phase]
        if status.items and status.items.total:
            words.append(f"{status.items.total} items")
        if status.error and status.error != self._error:
            self._error = status.error
            words.append(
                f"{status.error.code} {status.error.reason}: {self._local(status.error.message, job)}"
            )
        self.line("  ".join(words))

    def progress(self, job: ImageJob) -> None:
        """Show how many items are done, if more are than before."""
        status = job.status
        done = status.at is Phase.RUNNING and status.items and status.items.finished
        if done and status.progress != self._progress:
            self._progress = status.progress
            self.line(f"Running  {self._progress} items")

    def staged(self, size: int) -> None:
        """See the port."""

    def deferred(self, job: ImageJob, reason: Reason) -> None:
        """See the port."""

    # --- Pods ---

    def pod_log(self, line: bytes) -> None:
        """Show what the log of a Pod says about an item that failed, or about the Pod itself."""
        try:
            record: Any = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            self.line(f"Pod: {line.decode(errors='replace').rstrip()}")
        elif record.get("message") == "item failed":
            self.line(f"failed: {record.get('source')}  {record.get('code')}: {record.get('cause')}")
        elif record.get("level") == "ERROR":
            trace = str(record.get("exc_info") or "")
            self.line(f"Pod: {record.get('message')}: {record.get('cause') or trace}")

    # --- the end ---

    def summary(self, job: ImageJob, report: Report | None, path: str) -> None:
        """Show the result of a run, what its report sums up, and where the report is."""
        run = job.status.run
        rows = [("result", (run.outcome if run else "") or job.status.phase)]
        if report and report.checks:
            rows += [(one.name, self._local(check_text(one), job)) for one in report.checks]
        elif report:
            rows += _totals(report)
        rows += _remedy(job)
        for name, value in (*rows, ("report", path or "none")):
            self.row(name, value)

    def row(self, name: str, value: str) -> None:
        """Show a row of the summary."""
        self._write(f"{name:<12} {value}")

    def _local(self, message: str, job: ImageJob) -> str:
        """A message with the folder instead of the namespace's part of the store."""
        part = rf"(['\"]){re.escape(job.key.namespace)}/"
        return re.sub(part, lambda found: f"{found[1]}{self._place}/", message)


def _totals(report: Report) -> list[tuple[str, str]]:
    totals = report.totals
    published = sum(1 for item in report.items if item.outputs and not item.skipped)
    more = f"{published} published, {totals.failed} failed, {totals.skipped} up to date"
    return [
        ("items", f"{totals.items} ({more})"),
        ("outputs", str(totals.outputs)),
        ("bytes in", size_text(totals.source_bytes)),
        ("bytes out", size_text(totals.output_bytes)),
    ]


def _remedy(job: ImageJob) -> list[tuple[str, str]]:
    """What the error of a run means and what to do, from the catalogue; the error itself was shown before."""
    error = job.status.error
    entry = explain_failure(error.code, error.reason) if error else None
    if error is None or entry is None:
        return []
    texts = (("meaning", entry.meaning), ("remedy", entry.remedy), ("runbook", entry.runbook))
    return [("error", entry.title), *((name, text.replace("`", "")) for name, text in texts)]


def check_text(check: ReportCheck) -> str:
    """What a check of a validation has found."""
    return f"{'ok' if check.passed else 'failed'}: {check.message}"


class ConsoleHandler(logging.Handler):
    """Shows what the operator's code warns of, such as a step that is retried."""

    def __init__(self, console: Console) -> None:
        super().__init__(logging.WARNING)
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        """See the base class."""
        text = record.getMessage()
        if error := getattr(record, "error", ""):
            text += f": {error}"
        self._console.line(text)
        if record.exc_info:
            for line in "".join(traceback.format_exception(*record.exc_info)).splitlines():
                self._console.line(line)


def size_text(size: int) -> str:
    """A number of bytes, such as `1.5 MiB (1572864 bytes)`."""
    unit = next(((size / of, name) for of, name in UNITS if size >= of), None)
    return f"{unit[0]:.1f} {unit[1]} ({size} bytes)" if unit else f"{size} bytes"
