"""Records of the log, as a test compares them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

Line = tuple[str, str, dict[str, Any]]
"""Level, message, and `extra`."""

_ALWAYS = {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime"}


def lines(records: Iterable[logging.LogRecord]) -> list[Line]:
    """What the records have of their own."""
    return [
        (
            record.levelname,
            record.getMessage(),
            {name: value for name, value in vars(record).items() if name not in _ALWAYS},
        )
        for record in records
        if record.name.startswith("imagejob_operator")
    ]
