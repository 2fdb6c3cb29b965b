"""Logs: one JSON object a line on standard error, without a single URL query in it."""

from __future__ import annotations

import datetime
import json
import logging

from imagejob_processor.errors import without_queries

LOGGER = logging.getLogger("imagejob.processor")
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Time, level, message and whatever was given as `extra`; the text of an exception under `error`."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: value for name, value in vars(record).items() if name not in _OWN}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return without_queries(json.dumps(line, ensure_ascii=False, default=str))


def set_up() -> None:
    """Send the processor's log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    LOGGER.handlers = [handler]
    LOGGER.propagate = False
    LOGGER.setLevel(logging.INFO)
