"""Logs: one JSON object per line, on standard error."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from imagejob_operator.log_context import current_object

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_OF_KOPF = frozenset({"settings", "k8s_skip", "k8s_ref"})
"""Attributes of Kopf's records; `settings` cannot be copied or serialized."""


class JsonLines(logging.Formatter):
    """Formats a record as one line. It never raises, whatever a library passes."""

    def format(self, record: logging.LogRecord) -> str:
        """See the base class."""
        try:
            return json.dumps(self._fields(record), default=_text, skipkeys=True)
        except Exception as error:  # noqa: BLE001  (such as a circular reference)
            message = f"{_text(record.msg)} (not formatted: {type(error).__name__})"
            return json.dumps({"level": record.levelname, "logger": record.name, "message": message})

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
            **current_object.get(),
        }
        attributes = vars(record)
        if isinstance(about := attributes.get("k8s_ref"), dict):
            fields |= {"object": f"{about.get('namespace')}/{about.get('name')}", "uid": about.get("uid")}
        fields |= {k: v for k, v in attributes.items() if k not in _STANDARD | _OF_KOPF}
        if record.exc_info:
            fields["exc_info"] = self.formatException(record.exc_info)
        return fields


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  (arguments that do not fit the message)
        return f"{_text(record.msg)} {_text(record.args)}"


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001
        return f"<{type(value).__name__}>"


def set_up_logs(level: str) -> None:
    """Log as JSON to standard error, times in UTC; libraries from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("imagejob_operator").setLevel(level)
    # urllib3 would log the signed URL of a retried request; retries are counted in the metrics.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("kopf").setLevel(logging.WARNING)
