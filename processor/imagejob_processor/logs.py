"""Logs: one JSON object a line on standard error, without queries of URLs."""

from __future__ import annotations

import logging
import sys

from pythonjsonlogger.json import JsonFormatter

from imagejob_processor.errors import without_queries

LOGGER = logging.getLogger("imagejob_processor")


class _Formatter(JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return without_queries(super().format(record))


def set_up_logs() -> None:
    """Send the processor's log to standard error, with the fields of the operator's log."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _Formatter(
            "{levelname}{name}{message}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",
            json_ensure_ascii=False,
        )
    )
    LOGGER.handlers[:] = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(logging.INFO)
