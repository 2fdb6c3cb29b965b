"""What a person at the terminal is told when a step fails."""

from __future__ import annotations


class DemoError(Exception):
    """The message says what failed and which log or command shows more."""
