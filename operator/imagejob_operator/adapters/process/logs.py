"""Logs: one JSON object a line, on standard error."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def set_up_logs(level: str) -> None:
    """Send all logs to standard error as JSON, times in UTC; libraries speak only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("imagejob_operator").setLevel(level)
    # A retried request is counted in the metrics; urllib3 would print its URL, signature and all.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("kopf").setLevel(logging.WARNING)
