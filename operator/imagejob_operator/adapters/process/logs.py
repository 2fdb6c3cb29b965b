"""Logs: one JSON object per line, on standard error."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter


def set_up_logs(level: str) -> None:
    """Log as JSON to standard error, times in UTC; libraries from WARNING on."""
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
    # urllib3 would log the signed URL of a retried request; retries are counted in the metrics.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("kopf").setLevel(logging.WARNING)
